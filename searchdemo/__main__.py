from searchdemo.cli import main

raise SystemExit(main())
