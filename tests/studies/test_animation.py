"""Films through the command: what is written, when it is made again, what goes wrong. ffmpeg is a script here."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import studies.__main__ as command
from studies import animation, errors
from studies.film import Film
from studies.registry import Study

HERE = Path(__file__).resolve().parent
posix = pytest.mark.skipif(os.name != "posix", reason="signals and scripts")
FFMPEG = """#!{python}
import sys
frames = sys.stdin.buffer.read()
size = sys.argv[sys.argv.index("-s") + 1]
width, height = map(int, size.split("x"))
if {fails}:
    sys.exit("no such codec")
print("mp4", size, len(frames) / (3 * width * height), *sys.argv[-4:])
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import fake_study

    bin_ = tmp_path / "bin"
    bin_.mkdir()
    monkeypatch.setenv("PATH", str(bin_))  # and so no ffmpeg of this machine's
    settings = {"log": str(tmp_path / "log"), "trouble": str(tmp_path / "trouble"), "count": 1}
    monkeypatch.setattr(fake_study.Config, "quick", classmethod(lambda cls, seed: cls(seed=seed, **settings)))
    found = {"moving": Study("moving", "fake_film", "a film"), "plain": Study("plain", "fake_study", "none")}
    monkeypatch.setattr(command, "STUDIES", found)
    monkeypatch.setattr(command, "GROUPS", {"both": ("plain", "moving")})
    monkeypatch.setattr(command, "_TITLES", {"both": "both"})
    return tmp_path


def with_ffmpeg(place, fails=False):
    script = place / "bin" / "ffmpeg"
    script.write_text(FFMPEG.format(python=sys.executable, fails=fails))
    script.chmod(0o755)


def run(place, *arguments, name="moving"):
    return command.main(["run", name, "--animate", "--jobs", "1", "--out", str(place / "out"), *arguments])


def films(place):
    """How many films were drawn."""
    return (place / "log").read_text().split().count("film")


def files(place):
    return {path.name for path in (place / "out" / "moving").iterdir()} - {"cases"}


def test_without_ffmpeg_there_is_a_gif_and_it_is_said_before(place, capsys):
    assert run(place) == errors.DONE
    captured = capsys.readouterr()
    assert captured.err == "meanfield: no ffmpeg is found: films are written as GIF only\n"
    assert files(place) == {"moving.json", "moving.png", "moving.svg", "moving.gif"}
    with Image.open(place / "out" / "moving" / "moving.gif") as image:
        assert image.n_frames == 5 and image.info["loop"] == 0 and image.info["duration"] == 100
        means = []
        for k in range(5):
            image.seek(k)
            seen = np.asarray(image.convert("RGB")).astype(int)
            assert seen[0, 0].min() == 255  # white, not the palette's nearest
            red = (seen[..., 0] - seen[..., 2]) > 100
            means.append(np.nonzero(red)[1].mean())
        # the point moves by a sixth of the axes, which are most of the width, from frame to frame
        assert np.diff(means) == pytest.approx(np.full(4, np.diff(means).mean()), abs=2)


@posix
def test_ffmpeg_gets_every_frame(place):
    with_ffmpeg(place)
    assert run(place) == errors.DONE
    word, size, frames, *end = (place / "out" / "moving" / "moving.mp4").read_text().split()
    with Image.open(place / "out" / "moving" / "moving.gif") as image:
        assert (word, size, float(frames)) == ("mp4", f"{image.width}x{image.height}", 5)
    assert end == ["frag_keyframe+empty_moov", "-f", "mp4", "pipe:1"]


@posix
def test_a_film_is_made_again_only_if_it_would_be_another(place):
    assert run(place) == errors.DONE and films(place) == 1
    path = place / "out" / "moving" / "moving.gif"
    first = path.read_bytes()
    assert run(place) == errors.DONE and films(place) == 1
    assert run(place, "--seed", "3") == errors.DONE and films(place) == 2
    assert path.read_bytes() != first
    assert run(place) == errors.DONE and films(place) == 3
    assert path.read_bytes() == first  # the same bits
    with_ffmpeg(place)
    assert run(place) == errors.DONE and films(place) == 4 and "moving.mp4" in files(place)
    assert run(place) == errors.DONE and films(place) == 4
    path.write_bytes(first[:100])
    assert run(place) == errors.DONE and films(place) == 5 and path.read_bytes() == first


@posix
def test_an_old_mp4_does_not_stay_beside_a_new_gif(place):
    with_ffmpeg(place)
    assert run(place) == errors.DONE
    (place / "bin" / "ffmpeg").unlink()
    assert run(place) == errors.DONE and "moving.mp4" in files(place)  # of the same film
    assert run(place, "--seed", "1") == errors.DONE and "moving.mp4" not in files(place)


@posix
def test_an_ffmpeg_that_fails_is_said_and_the_gif_is_kept(place, capsys):
    with_ffmpeg(place, fails=True)
    assert run(place) == errors.RUN_FAILED
    said = capsys.readouterr().err
    assert "moving: its film failed:" in said and "ffmpeg left with status 1: no such codec" in said
    assert "moving.gif" in files(place) and "moving.mp4" not in files(place)


def test_a_film_that_fails_keeps_the_numbers(place, capsys):
    (place / "trouble").write_text("film raise")
    assert run(place) == errors.RUN_FAILED
    assert "the film went wrong" in capsys.readouterr().err
    assert files(place) == {"moving.json", "moving.png", "moving.svg"}


@posix
def test_a_process_that_dies_is_replaced(place, capsys):
    (place / "trouble").write_text("film once")
    assert run(place) == errors.DONE and "moving.gif" in files(place)
    assert "films: attempt 1 of moving: its process was killed by SIGKILL" in capsys.readouterr().err


def test_a_study_without_a_film_is_refused_before_any_work(place, capsys):
    assert run(place, "--seed", "x", name="plain") == errors.BAD_INPUT
    assert run(place, name="plain") == errors.BAD_INPUT
    assert capsys.readouterr().err.splitlines() == [
        "meanfield: --seed must be an integer of at least 0; got 'x'.",
        "meanfield: --animate: plain has no film; run it without.",
    ]
    assert not (place / "out").exists()


def test_of_a_group_those_are_animated_that_can_be(place):
    assert run(place, name="both") == errors.DONE
    assert [path.name for path in (place / "out").glob("*/*.gif")] == ["moving.gif"]


@posix
def test_an_interrupt_ends_the_film_and_leaves_nothing_behind(place):
    (place / "trouble").write_text("film kernel")
    script = f"""
import sys
sys.path[:0] = {[str(HERE.parents[1]), str(HERE)]!r}
import fake_study, studies.__main__ as command
from studies.registry import Study
if __name__ == "__main__":
    settings = dict(log={str(place / "log")!r}, trouble={str(place / "trouble")!r}, count=1)
    fake_study.Config.quick = classmethod(lambda cls, seed: cls(**settings))
    arguments = ["run", "moving", "--animate", "--jobs", "1", "--out", {str(place / "out")!r}]
    sys.exit(command.main(arguments, {{"moving": Study("moving", "fake_film", "a film")}}))
"""
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as process:
        while not ((worker := place / "worker").exists() and worker.read_text()):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == errors.INTERRUPTED and "finished results are kept" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(worker.read_text()), 0)
    assert files(place) == {"moving.json", "moving.png", "moving.svg"}


@pytest.mark.skipif(animation.find_ffmpeg() is None, reason="needs ffmpeg")
def test_a_real_ffmpeg_makes_what_it_can_play_from_the_first_frame(tmp_path):
    ffmpeg = animation.find_ffmpeg()
    images = [Image.new("RGB", (61, 41), (40 * k, 255 - 40 * k, 128)) for k in range(6)]
    (tmp_path / "film.mp4").write_bytes(animation.mp4(images, 10, ffmpeg))
    into = ["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    played = subprocess.run([ffmpeg, "-i", str(tmp_path / "film.mp4"), *into], capture_output=True, check=True)
    assert b"start: 0.000000" in played.stderr and b"62x42" in played.stderr  # even sides
    frames = np.frombuffer(played.stdout, dtype=np.uint8).reshape(-1, 42, 62, 3).astype(int)
    assert len(frames) == 6
    for image, frame in zip(images, frames, strict=True):
        # flat colours, through limited range and back, and compressed: a few levels
        assert abs(frame[20, 30] - image.getpixel((30, 20))).max() <= 8


def noise(k):
    return Image.fromarray(np.random.default_rng(k).integers(0, 256, (80, 120, 3), dtype=np.uint8))


def test_a_film_that_is_too_large_is_made_smaller():
    whole = animation.gif([noise(k) for k in range(4)], 12, "noise")
    less = animation.gif([noise(k) for k in range(4)], 12, "noise", largest=len(whole) // 2)
    assert len(less) <= len(whole) // 2
    with Image.open(io.BytesIO(less)) as image:
        assert image.size == (77, 51)  # 0.8 twice, of 120 times 80
        assert image.info["comment"] == b"noise" and image.n_frames == 4


def test_frames_have_at_most_800_pixels_a_side():
    from matplotlib.figure import Figure

    assert animation._image(Film(1, lambda k: Figure(figsize=(12, 4))), 0).size == (792, 264)  # whole dots an inch
