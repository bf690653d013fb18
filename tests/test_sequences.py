"""Image sequences: folders and patterns of numbered pictures as one recording, with the rate that is given."""

import hashlib
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mien import video
from mien.core.settings import Settings
from mien.inference import batch
from mien.inference.analyze import analyze
from mien.video import image_sequences
from mien.video.errors import VideoError


def picture(level: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def row(folder, numbers=range(10), pattern="frame_{:04d}.png"):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        picture(20 * (number % 10)).save(folder / pattern.format(number))
    return folder


def levels(path, **options):
    with video.open_video(path, **options) as frames:
        seen = [(frame.time, int(frame.rgb[0, 0, 0])) for frame in frames]
        return [time for time, _ in seen], [level for _, level in seen], frames.source


@pytest.mark.parametrize("name", ["", "frame_%04d.png", "frame_%d.png"])
def test_a_folder_and_a_pattern_are_read_in_the_order_of_their_numbers(tmp_path, name):
    pattern = "frame_{}.png" if name == "frame_%d.png" else "frame_{:04d}.png"  # without zeros 10 must come after 9
    folder = row(tmp_path / "pictures", range(12), pattern)
    times, seen, source = levels(folder / name, fps=30)
    assert seen == [20 * (n % 10) for n in range(12)]
    np.testing.assert_allclose(times, np.arange(12) / 30)
    assert (source.frames, source.lost) == (12, "")
    assert source.fps_mean == pytest.approx(30)
    assert source.duration == pytest.approx(12 / 30)


def test_without_a_rate_python_reads_at_25_and_says_so_and_the_analysis_refuses(tmp_path):
    folder = row(tmp_path / "pictures")
    for path in (folder, folder / "frame_%04d.png"):
        times, _, source = levels(path)
        np.testing.assert_allclose(times, np.arange(10) / 25)
        assert "no frame rate was given: times are at 25 pictures a second" in source.lost
        with pytest.raises(VideoError, match="got none: give it with --fps"):
            analyze(path)


def test_a_gap_in_the_numbers_is_a_gap_in_time_and_every_tenth_picture_is_none(tmp_path):
    times, _, source = levels(row(tmp_path / "a", [*range(20), *range(23, 40)]), fps=10)
    np.testing.assert_allclose(times, [n / 10 for n in (*range(20), *range(23, 40))])
    assert "1 gap in the time stamps, as long as 3 frames" in source.lost
    times, _, source = levels(row(tmp_path / "b", range(100, 200, 10)), fps=3)
    np.testing.assert_allclose(times, np.arange(10) / 3)
    assert source.lost == ""


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=20, unique=True), st.integers(0, 6))
def test_steps_keep_the_distances_of_the_numbers(tmp_path_factory, numbers, width):
    folder = tmp_path_factory.mktemp("row")
    for number in numbers:
        (folder / f"p{number:0{width}d}.png").touch()
    result = image_sequences.find(folder)
    ordered = sorted(numbers)
    steps = np.array(result.steps)
    assert [int(path.stem[1:]) for path in result.paths] == ordered
    ratio = (np.array(ordered) - ordered[0])[1:] / steps[1:]
    assert (ratio == ratio[0]).all()
    assert np.gcd.reduce(steps) == 1


def test_damaged_and_resized_pictures_are_counted(tmp_path):
    folder = row(tmp_path / "pictures")
    (folder / "frame_0003.png").write_bytes((folder / "frame_0003.png").read_bytes()[:60])
    picture(100, (32, 24)).save(folder / "frame_0005.png")
    times, seen, source = levels(folder, fps=10)
    assert len(seen) == 9
    assert 0.3 not in times
    assert "1 of 10 pictures cannot be read, first frame_0003.png" in source.lost
    assert "1 frame of another size scaled" in source.lost
    assert (source.width, source.height) == (64, 48)


def test_a_picture_without_a_number_beside_them_is_left_out_and_named(tmp_path):
    folder = row(tmp_path / "pictures", range(3))
    picture(250).save(folder / "moving.webp")
    _, seen, source = levels(folder, fps=10)
    assert seen == [0, 20, 40]
    assert "pictures without a number were left out: 1, first moving.webp" in source.lost


def test_the_sum_is_that_of_sha256sum(tmp_path):
    folder = row(tmp_path / "pictures", range(3))
    names = [f"frame_{n:04d}.png" for n in range(3)]
    listed = subprocess.run(["sha256sum", *names], cwd=folder, check=True, capture_output=True).stdout
    assert levels(folder, fps=10)[2].sha256 == hashlib.sha256(listed).hexdigest()


@pytest.mark.parametrize(("names", "said"), [
    ([], "without any picture"),
    (["a.png"], "expected numbered pictures, got a.png"),
    (["a_1.png", "b_1.png"], "got a_#.png and b_#.png"),
    (["1.png", "01.png"], "got 01.png and 1.png"),
    (["1.png", "2.jpg"], "got #.jpg and #.png"),
])
def test_folders_that_are_no_sequence(tmp_path, names, said):
    for name in names:
        picture(9).save(tmp_path / name)
    with pytest.raises(VideoError) as caught:
        video.open_video(tmp_path)
    assert said in str(caught.value)


def test_patterns_that_match_nothing_and_names_that_only_look_like_one(tmp_path):
    row(tmp_path, range(3))
    with pytest.raises(VideoError, match="expected pictures that match"):
        video.open_video(tmp_path / "frame_%06d.png")
    picture(50).save(tmp_path / "odd_%02d.png")
    assert levels(tmp_path / "odd_%02d.png")[1] == [50]
    with pytest.raises(VideoError, match="frame rate above 0"):
        video.open_video(tmp_path, fps=0)


def test_analyze_finds_sequences_in_folders_patterns_and_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row(tmp_path / "d", range(3))
    (tmp_path / "d/e").mkdir()
    picture(50).save(tmp_path / "d/e/1.jpg")
    (tmp_path / "d/talk.mp4").touch()

    def inputs_of(*names, sequence):
        return [
            (item.folder, bool(item.reason)) for item in batch.find_inputs(names, tmp_path / "out", sequence=sequence)
        ]

    photos = [(f"d/{name}", False) for name in ("e/1.jpg", *(f"frame_{n:04d}.png" for n in range(3)), "talk.mp4")]
    assert inputs_of("d", sequence=False) == photos
    assert inputs_of("d", sequence=True) == [("d", False), ("d/e", False), ("d/talk.mp4", False)]
    assert inputs_of("d/frame_%04d.png", sequence=True) == [("d/frame_%04d.png", False)]
    (single,) = batch.find_inputs(["d/frame_%04d.png"], tmp_path / "out")
    assert "--fps" in single.reason
    (single,) = batch.find_inputs(["d/frame_0001.png"], tmp_path / "out", sequence=True)
    assert "got a single picture" in single.reason


def test_a_sequence_is_done_until_one_of_its_pictures_changes(tmp_path, monkeypatch):
    """The detector is not needed: pictures without a face are a result, too."""
    monkeypatch.chdir(tmp_path)
    folder = row(tmp_path / "pictures", range(5))
    options = batch.AnalysisOptions(Settings(fps=10.0))

    def once():
        return batch.analyze(batch.find_inputs(["pictures"], "out", sequence=True), tmp_path / "out", options)[0]

    first = once()
    assert (first.status, first.folder, first.note) == ("ok", "pictures", "no face was seen")
    assert once().status == "skipped"
    picture(77).save(folder / "frame_0002.png")
    assert once().status == "ok"
