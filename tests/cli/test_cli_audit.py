"""`searchdemo audit` of a folder: what it says, the list, and what it moves."""

from __future__ import annotations

from searchdemo import cli
from tests.test_audit import photograph, written


def test_audit_of_a_folder(run, complaint, capsys, tmp_path):
    folder = written(tmp_path / "pictures")
    where = ["--gallery", f"folder:{folder}", "--encoder", "bundled"]
    assert "build" in complaint("audit", *where)
    assert cli.main(["build", *where]) == 0
    capsys.readouterr()

    assert cli.main(["audit", *where, "--show", "1"]) == 0
    said = capsys.readouterr().out
    assert "2 piles of exact copies, 1 of them under several labels" in said
    assert "+ a/0.png" in said and "= b/0 again.png" in said
    assert "... and 1 more" in said and "4 spare copies could go. Nothing was changed." in said

    assert "lies within the folder" in complaint("audit", *where, "--move-to", str(folder / "spare"))
    listed, spare = tmp_path / "list.csv", tmp_path / "spare"
    content = run("audit", *where, "--out", str(listed), "--move-to", str(spare), "--kinds", "exact")
    assert content["spare"] == 4 and content["list"]["lines"] == len(listed.read_text().splitlines()) - 1
    assert {(move["file"], move["stays"]) for move in content["moved"]} == {
        ("b/0 again.png", "a/0.png"),
        ("a/1.jpg", "a/1 dated.jpg"),
    }
    assert (spare / "b" / "0 again.png").is_file() and not (folder / "b" / "0 again.png").exists()
    assert (folder / "b" / "2 small.jpg").is_file()


def test_audit_against_another_folder(run, capsys, tmp_path):
    for name, seeds in (("mine", (0, 1)), ("theirs", (1, 2))):
        (tmp_path / name).mkdir()
        for seed in seeds:
            photograph(seed).save(tmp_path / name / f"{seed}.png")
        assert cli.main(["build", "--gallery", f"folder:{tmp_path / name}"]) == 0
    capsys.readouterr()
    content = run("audit", "--gallery", f"folder:{tmp_path / 'mine'}", "--against", f"folder:{tmp_path / 'theirs'}")
    assert [(pile["where"], pile["kind"]) for pile in content["piles"]] == [("against", "exact")]
    assert [member["file"] for member in content["piles"][0]["members"]] == ["1.png", "1.png"]
