from __future__ import annotations

import os
from pathlib import Path

import pytest
from pictures import encoded, picture

from imgray.catalogue import BUILT_IN
from imgray.errors import RequestError
from imgray.pipeline import Pipeline
from imgray.plan import Plan, make_plan
from imgray.task import DEFAULT_OUTPUT

SWAP = BUILT_IN.parse("swap:rg")
WEBP = BUILT_IN.parse("swap:rg/convert:webp")
ONE = {DEFAULT_OUTPUT: SWAP}
PNG = encoded(picture())
JPEG = encoded(picture(), "JPEG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    write(folder, {"a.png": PNG, "b/c.jpg": JPEG, "b/no-extension": PNG, "b/notes.txt": b"hello", ".hidden/x.png": PNG})
    return folder


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def names(plan: Plan, out: Path) -> dict[str, str]:
    return {item.source.name: str(item.destinations[DEFAULT_OUTPUT].relative_to(out)) for item in plan.items}


def test_images_are_found_by_content_and_the_structure_is_kept(folder: Path, tmp_path: Path) -> None:
    plan = make_plan([folder], tmp_path / "out", ONE)
    assert names(plan, tmp_path / "out") == {
        "a.png": "a.png",
        "c.jpg": "b/c.jpg",
        "no-extension": "b/no-extension.png",
    }
    assert (plan.problems, plan.ignored) == ([], 1)


def test_with_several_paths_each_folder_keeps_its_name(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", {"a.png": PNG})
    plan = make_plan([folder, tmp_path / "other", folder / "b" / "c.jpg"], tmp_path / "out", ONE)
    found = {str(item.destinations[DEFAULT_OUTPUT].relative_to(tmp_path / "out")) for item in plan.items}
    assert found == {"in/a.png", "in/b/c.jpg", "in/b/no-extension.png", "other/a.png", "c.jpg"}


def test_a_result_has_the_extension_of_its_format_and_no_two_share_a_name(tmp_path: Path) -> None:
    write(tmp_path / "in", {"a.png": PNG, "a.jpg": JPEG, "b.JPEG": JPEG, "c.jpg": PNG})
    assert names(make_plan([tmp_path / "in"], tmp_path / "out", {DEFAULT_OUTPUT: WEBP}), tmp_path / "out") == {
        "a.png": "a.png.webp",
        "a.jpg": "a.jpg.webp",
        "b.JPEG": "b.webp",
        "c.jpg": "c.webp",
    }
    kept = names(make_plan([tmp_path / "in"], tmp_path / "out", ONE), tmp_path / "out")
    assert kept == {"a.png": "a.png", "a.jpg": "a.jpg", "b.JPEG": "b.JPEG", "c.jpg": "c.png"}


def test_a_file_that_claims_to_be_an_image_counts_whatever_it_holds(tmp_path: Path) -> None:
    write(tmp_path / "in", {"broken.png": b"hello", "empty.jpg": b"", "notes.txt": b"hello"})
    plan = make_plan([tmp_path / "in"], tmp_path / "out", ONE)
    assert set(names(plan, tmp_path / "out")) == {"broken.png", "empty.jpg"}
    assert set(names(make_plan([tmp_path / "in" / "notes.txt"], tmp_path / "out", ONE), tmp_path / "out")) == {
        "notes.txt"
    }


def test_results_inside_the_source_folder_are_no_sources(folder: Path) -> None:
    write(folder / "out", {"a.png": PNG})
    assert len(make_plan([folder], folder / "out", ONE).items) == 3


def test_a_fingerprint_changes_with_all_that_the_result_depends_on(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def fingerprint(pipeline: Pipeline = SWAP, out: Path = out) -> str:
        return make_plan([folder / "a.png"], out, {DEFAULT_OUTPUT: pipeline}).items[0].fingerprint

    first = fingerprint()
    assert fingerprint() == first
    assert fingerprint(pipeline=BUILT_IN.parse("swap:rb")) != first
    assert fingerprint(out=tmp_path / "elsewhere") != first
    os.utime(folder / "a.png", (1, 1))
    assert fingerprint() != first


def test_what_cannot_be_begun_is_refused_with_its_name(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nowhere' does not exist"):
        make_plan([tmp_path / "nowhere"], tmp_path / "out", ONE)
    with pytest.raises(RequestError, match="is a source, and would be replaced"):
        make_plan([folder], folder, ONE)
    write(tmp_path, {"x/in/a.png": PNG})
    with pytest.raises(RequestError, match="would both become"):
        make_plan([folder, tmp_path / "x" / "in"], tmp_path / "out", ONE)


def test_odd_files_are_passed_over_or_named(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder, {"a.png": PNG})
    os.mkfifo(folder / "pipe.png")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.png").symlink_to(folder / "nothing")
    (folder / "linked.png").symlink_to(folder / "a.png")
    (folder / os.fsdecode(b"\xff\xfe.png")).write_bytes(PNG)
    plan = make_plan([folder], tmp_path / "out", ONE)
    assert sorted(names(plan, tmp_path / "out")) == sorted(["a.png", "linked.png", os.fsdecode(b"\xff\xfe.png")])


def test_no_result_ever_replaces_a_source_however_the_paths_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "pics", {"a.png": PNG, "pics/a.png": PNG})
    (tmp_path / "link").symlink_to(tmp_path / "pics")
    monkeypatch.chdir(tmp_path / "pics")
    for source, out in (("../pics", "."), (".", "."), ("../link", "../pics"), ("pics", ".")):
        with pytest.raises(RequestError, match="is a source"):
            make_plan([Path(source), Path("a.png")] if source == "pics" else [Path(source)], Path(out), ONE)


def test_results_of_an_earlier_run_are_no_sources_however_the_paths_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "pics", {"a.png": PNG, "out/a.png": PNG})
    monkeypatch.chdir(tmp_path / "pics")
    assert len(make_plan([Path("../pics")], Path("out"), ONE).items) == 1


def test_a_fingerprint_changes_with_an_overlays_file(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark.png"
    pipelines = {DEFAULT_OUTPUT: BUILT_IN.parse('overlay:"mark.png"').anchored(tmp_path)}

    def fingerprint() -> str:
        return make_plan([folder / "a.png"], tmp_path / "out", pipelines).items[0].fingerprint

    seen = [fingerprint()]
    for content in (PNG, PNG + b"more"):
        mark.write_bytes(content)
        seen.append(fingerprint())
    assert len(set(seen)) == 3
    assert fingerprint() == seen[-1]


def test_each_of_several_outputs_has_a_folder_of_its_own(folder: Path, tmp_path: Path) -> None:
    plan = make_plan([folder], tmp_path / "out", {"small": SWAP, "web": WEBP})
    found = {name: path.relative_to(tmp_path / "out") for name, path in plan.items[1].destinations.items()}
    assert found == {"small": Path("small/b/c.jpg"), "web": Path("web/b/c.webp")}


def test_a_format_that_is_chosen_by_looking_cannot_name_files(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="must be named beforehand"):
        make_plan([folder], tmp_path / "out", {DEFAULT_OUTPUT: BUILT_IN.parse("convert:auto")})
