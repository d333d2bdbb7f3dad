"""Films of studies: OUT/NAME/NAME.gif, and NAME.mp4 where ffmpeg is found.

Every frame k of a study's `film(config)` is drawn as an image of at most 800 pixels a side. The GIF is repeated for
ever and has one palette for all frames, chosen from eight of them; its images are made smaller until the file is. The
MP4 has the images as they were drawn: ffmpeg takes them from a pipe, and answers on another with a file in fragments.

The GIF's comment is the digest of what it was made from: configuration, sources of the study, and this file. A film
that is there and says the same is not made again. The old MP4 goes before a new GIF comes, and the new one comes after
it, so that an MP4 is never of another film than the GIF beside it.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import signal
import subprocess
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies import contract, files, interrupts, pool, provenance, strict_json
from studies.contract import StudyConfig
from studies.errors import StoreError
from studies.progress import Progress
from studies.registry import Study

if TYPE_CHECKING:
    from PIL.Image import Image

    from studies.film import Film

LARGEST_SIDE = 800  # pixels
LARGEST_GIF = 2_000_000  # bytes
_COLOURS = 255
_SAMPLED = 8  # frames from which the palette is chosen
_SMALLER = 0.8  # times each side, until the file is small enough
_SMALLEST = 0.25  # of the first size; a film that is still too large is kept as it is


@dataclass(frozen=True)
class FilmJob:
    """A film to be made.

    Parameters
    ----------
    study : Study
        Which study; its module defines `film`.
    config : StudyConfig
        Of what.
    folder : Path
        Where the files go.
    code : str
        The sources it is made from, `studies.provenance.code`.
    ffmpeg : str or None
        The program that makes the MP4; none is made without.
    """

    study: Study
    config: StudyConfig
    folder: Path
    code: str
    ffmpeg: str | None

    @classmethod
    def of(cls, study: Study, config: StudyConfig, out: Path, ffmpeg: str | None) -> FilmJob:
        """Return the job for results in the folder `out`."""
        return cls(study, config, (out / study.name).resolve(), provenance.code(study.module), ffmpeg)

    def path(self, kind: str) -> Path:
        """Where the file of this kind goes."""
        return self.folder / f"{self.study.name}.{kind}"

    @property
    def digest(self) -> str:
        """Of what the film is made from."""
        made_from = {"code": self.code, "config": self.config.model_dump(mode="json"), "study": self.study.name}
        return hashlib.sha256(strict_json.dumps(made_from).encode() + Path(__file__).read_bytes()).hexdigest()

    @property
    def done(self) -> bool:
        """Whether the files are there, and made from the same."""
        from PIL import Image

        if self.ffmpeg is not None and not self.path("mp4").exists():
            return False
        try:
            with Image.open(self.path("gif")) as image:
                return image.info.get("comment") == self.digest.encode()
        except OSError:  # it is not there, or damaged
            return False


def animated(study: Study) -> bool:
    """Whether a study has a film."""
    return hasattr(contract.load(study), "film")


def find_ffmpeg() -> str | None:
    """Return the path of ffmpeg, if there is one."""
    return shutil.which("ffmpeg")


def make(jobs: Sequence[FilmJob], local: pool.Pool, *, progress: bool = False) -> dict[str, str]:
    """Make those films that are not there, each in a process of its own.

    Parameters
    ----------
    jobs : sequence of FilmJob
        The films.
    local : studies.pool.Pool
        The processes.
    progress : bool
        Whether to show a bar on stderr.

    Returns
    -------
    dict
        Why a film failed, by the name of its study.

    Raises
    ------
    studies.errors.StoreError
        If a film could not be written.
    KeyboardInterrupt
        If the run was interrupted. No process is left, and what is written is kept.
    """
    missing: Mapping[int, FilmJob] = {k: job for k, job in enumerate(jobs) if not job.done}
    failures: dict[str, str] = {}
    with local, Progress("films", len(jobs), len(jobs) - len(missing), progress) as shown:
        for event in local.each(shoot, missing):
            match event:
                case pool.Started():
                    shown.started()
                case pool.Lost(k, what, attempt):
                    shown.lost()
                    shown.say(f"attempt {attempt} of {missing[k].study.name}: its process {what}; it is tried again")
                case pool.Ended(k, report, failure):
                    name = missing[k].study.name
                    if isinstance(report, StoreError):
                        raise report
                    if (reason := failure or report) is not None:
                        failures[name] = reason
                    shown.ended(failed=name in failures)
                case pool.Tick():
                    shown.tick()
    return failures


def shoot(job: FilmJob, _attempt: int) -> str | StoreError | None:
    """Make and write a film; return the traceback of what went wrong, or that it could not be written."""
    try:
        film: Film = contract.load(job.study).film(job.config)  # type: ignore[attr-defined]
        if (code := provenance.code(job.study.module)) != job.code:
            raise RuntimeError(f"the sources changed from {job.code} to {code} during the run: start it again")
        images = [_image(film, k) for k in range(film.frames)]
        small = gif(images, film.per_second, job.digest)
        # Before it is known whether ffmpeg succeeds: a GIF alone is a film too.
        with interrupts.held_back(signal.SIGTERM):
            with suppress(FileNotFoundError):
                job.path("mp4").unlink()
            files.write_bytes(job.path("gif"), small)
        if job.ffmpeg is not None:
            files.write_bytes(job.path("mp4"), mp4(images, film.per_second, job.ffmpeg))
    except StoreError as error:
        return error
    except (Exception, SystemExit):
        return traceback.format_exc()
    return None


def _image(film: Film, k: int) -> Image:
    """Draw a frame."""
    from PIL import Image

    figure = film.draw(k)
    buffer = io.BytesIO()
    dpi = int(min(files.DPI, LARGEST_SIDE / max(figure.get_size_inches())))
    figure.savefig(buffer, format="png", dpi=dpi)
    with Image.open(buffer) as image:
        return image.convert("RGB")


def gif(images: Sequence[Image], per_second: float, comment: str, largest: int = LARGEST_GIF) -> bytes:
    """Return a GIF that repeats for ever.

    Parameters
    ----------
    images : sequence of PIL.Image.Image
        The frames, all of one size.
    per_second : float
        How many of them a second.
    comment : str
        What the file is to say of itself.
    largest : int
        The images are made smaller until the file has no more bytes.
    """
    scale = 1.0
    while True:
        content = _gif(images, scale, per_second, comment)
        if len(content) <= largest or scale * _SMALLER < _SMALLEST:
            return content
        scale *= _SMALLER


def _gif(images: Sequence[Image], scale: float, per_second: float, comment: str) -> bytes:
    import numpy as np
    from PIL import Image

    width, height = (max(1, round(scale * side)) for side in images[0].size)
    sized = [one if scale == 1 else one.resize((width, height), Image.Resampling.LANCZOS) for one in images]
    sampled = sized[:: -(-len(sized) // _SAMPLED)]
    strip = Image.new("RGB", (width, height * len(sampled)))
    for k, one in enumerate(sampled):
        strip.paste(one, (0, k * height))
    # Thin coloured lines are few pixels: a palette by numbers of pixels would make them grey.
    palette = strip.quantize(_COLOURS, method=Image.Quantize.MAXCOVERAGE)
    # What is in the corner is most of every frame, and is exact: white is not a light grey.
    colours, ground, place = palette.getpalette() or [], strip.getpixel((0, 0)), palette.getpixel((0, 0))
    assert isinstance(ground, tuple) and isinstance(place, int)
    colours[3 * place : 3 * place + 3] = ground
    frames = []
    for one in sized:
        # Without dither, which would change what stands still.
        places = np.array(one.quantize(palette=palette, dither=Image.Dither.NONE))
        places[(np.asarray(one) == ground).all(axis=-1)] = place
        frames.append(Image.fromarray(places))
        frames[-1].putpalette(colours)
    buffer = io.BytesIO()
    settings: dict[str, Any] = {
        "palette": bytes(colours),  # one for all: without it every frame has its own copy
        "duration": round(1000 / per_second),
        "loop": 0,
        "comment": comment.encode(),
    }
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], optimize=False, **settings)
    return buffer.getvalue()


def mp4(images: Sequence[Image], per_second: float, ffmpeg: str) -> bytes:
    """Return what ffmpeg makes of the frames.

    Raises
    ------
    RuntimeError
        With what it said, if it did not succeed.
    """
    width, height = images[0].size
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{per_second:g}", "-i", "pipe:0"]
    even = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:color=white", "-pix_fmt", "yuv420p"]  # what every player can show
    first = ["-bf", "0"]  # frames in their order: with others in between, a file in fragments starts two frames late
    form = ["-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "pipe:1"]  # a pipe has no place to go back to
    # Files without a name: nothing is left of them, however this process ends.
    with tempfile.TemporaryFile() as made, tempfile.TemporaryFile() as said:
        command = [ffmpeg, "-loglevel", "error", *raw, "-an", *even, *first, *form]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=made, stderr=said) as process:
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                for image in images:
                    process.stdin.write(image.tobytes())
                process.stdin.close()
        made.seek(0)
        said.seek(0)
        content, complaint = made.read(), said.read().decode(errors="replace").strip()
    if process.returncode != 0 or not content:
        raise RuntimeError(f"ffmpeg left with status {process.returncode}: {complaint or 'it said nothing'}")
    return content
