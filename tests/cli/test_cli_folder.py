"""Searching a folder of one's own: the answer names the files."""

from __future__ import annotations

from PIL import Image

from searchdemo import cli


def test_hits_name_their_files(run, tmp_path, capsys):
    for name, colour in (("red", (250, 0, 0)), ("green", (0, 250, 0)), ("blue", (0, 0, 250))):
        Image.new("RGB", (32, 32), colour).save(tmp_path / f"{name}.png")
    where = ["--gallery", f"folder:{tmp_path}", "--encoder", "bundled"]
    assert cli.main(["build", *where]) == 0
    capsys.readouterr()
    query = ["search", *where, "--index", "flat", "-k", "2", "--image", str(tmp_path / "green.png")]
    first = run(*query)["hits"][0]
    assert (first["file"], first["row"], first["label"]) == ("green.png", 1, "")
    assert cli.main(query) == 0
    assert "green.png" in capsys.readouterr().out
