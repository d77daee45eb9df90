"""How the bundled encoder was made. Never imported by searchdemo."""
