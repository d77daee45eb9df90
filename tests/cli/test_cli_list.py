"""list: quick, and true."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from searchdemo import cli
from tests.cli_tools import LIMIT, ROOT, SCENES, folder_of


def test_list_imports_nothing_heavy():
    heavy = {"torch", "torchvision", "timm", "open_clip", "faiss", "datasets", "pandas", "pyarrow", "gradio"}
    code = (
        "import sys, json; from searchdemo import cli; code = cli.main(['list', '--json']);"
        f"print(json.dumps([code, sorted({heavy} & {{*sys.modules}})]), file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(said.stderr) == [0, []]
    assert set(json.loads(said.stdout)) == {"galleries", "encoders", "indexes", "built"}


def test_list_says_what_is_built(run, built):
    run("build", *built, "--index", "lsh", "faiss:IVF2,SQ8")
    content = run("list", *built[-2:])
    (mine,) = [b for b in content["built"] if b["folder"].startswith(built[-1])]
    assert (mine["gallery"], mine["encoder"], mine["vectors"], mine["queries"]) == ("scenes", "bundled", LIMIT, LIMIT)
    assert {"brute", "flat", "ivf", "lsh", "faiss:IVF2,SQ8"} <= set(mine["indexes"]) and mine["stand_in"]
    galleries = {gallery["name"]: gallery["pictures"] for gallery in content["galleries"]}
    assert galleries["scenes"] and galleries["folder"] is None
    indexes = {index["name"]: index["params"] for index in content["indexes"]}
    assert indexes["ivf"].keys() == {"nprobe"} and indexes["ivf-fastscan"].keys() == {"nprobe", "k_factor"}


@pytest.mark.parametrize("content", [b'{"factory": "LS', b"[]", b"{}", b"\xff"], ids=["torn", "list", "empty", "bytes"])
def test_list_passes_over_an_index_whose_card_is_damaged(run, tmp_path, content):
    out_dir = ["--out-dir", str(tmp_path / "out")]
    run("build", *SCENES, *out_dir, "--index", "lsh", "faiss:IVF2,SQ8", "sq8")
    for name in ("lsh", "faiss_IVF2_SQ8"):
        (tmp_path / "out" / "scenes" / f"bundled-n{LIMIT}" / f"{name}.faiss.json").write_bytes(content)
    (mine,) = run("list", *out_dir)["built"]
    assert mine["indexes"] == ["brute", "flat", "ivf", "sq8"]


def test_list_says_where_the_pictures_are(run, tmp_path):
    picture = tmp_path / "copy" / "train" / "n01443537" / "a.png"
    folder_of({picture.name: "red"}, picture.parent)
    (tiny,) = [g for g in run("list", "--data", str(tmp_path / "copy"))["galleries"] if g["name"] == "tiny-imagenet"]
    assert tiny["pictures"] == str(tmp_path / "copy")


def test_list_reads_well(built, capsys):
    assert cli.main(["list", *built[-2:]]) == 0
    text = capsys.readouterr().out
    assert "bundled (stand-in weights)" in text
    for title in ("Galleries", "Encoders", "Indexes", "Built"):
        assert f"{title}\n" in text
