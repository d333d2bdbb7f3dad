from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import studies.__main__ as command
from studies import errors, registry

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"numba", "matplotlib", "scipy", "numpy", "ot", "pydantic", "tqdm", "distributed", "multiprocessing"}


def python(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["run", "--help"],
        ["config", "--help"],
        ["selftest", "--help"],
        ["run", "nothing", "--out", "x"],
    ],
)
def test_light_commands_import_nothing_heavy(arguments):
    done = python(
        "-c",
        f"""
import sys
from studies.__main__ import main
try:
    main({arguments!r})
except SystemExit:
    pass
print("imported", *sorted({HEAVY!r} & set(sys.modules)))
""",
    )
    assert done.stdout.splitlines()[-1] == "imported"


def test_python_m_studies_is_the_command():
    done = python("-m", "studies", "--version")
    assert done.returncode == 0
    name, version = done.stdout.split()
    assert name == "meanfield" and version.split(".")[0].isdigit()


def test_list_names_every_study_once_under_its_group(capsys):
    assert command.main(["list"]) == errors.DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(registry.STUDIES)
    assert [line.split(":")[0] for line in lines if line and not line.startswith(" ")] == list(registry.GROUPS)
    first = lines.index("statements: its statements") + 1
    assert lines[first].split()[0] == registry.GROUPS["statements"][0]


def test_every_problem_is_said_at_once_and_nothing_is_done(tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["run", "stabilty", "agreement", "zzz", "figure-1", "--jobs", "0", "--seed", "x", "--out", str(out)]
    assert command.main(arguments) == errors.BAD_INPUT
    assert capsys.readouterr().err.splitlines() == [
        "meanfield: no study is called 'stabilty'. Did you mean stability?",
        f"meanfield: no study is called 'zzz'. Valid: {', '.join([*registry.STUDIES, *registry.GROUPS])}.",
        "meanfield: no study is called 'figure-1'. Did you mean figure-01?",
        "meanfield: --jobs must be an integer of at least 1; got '0'.",
        "meanfield: --seed must be an integer of at least 0; got 'x'.",
    ]
    assert not out.exists()


def test_problems_of_the_command_line_and_of_the_file_come_together(tmp_path, capsys):
    taken = tmp_path / "taken"
    taken.write_text("")
    problem = tmp_path / "problem.toml"
    problem.write_text("[lwa]\n")
    assert command.main(["solve", str(problem), "--out", str(taken)]) == errors.BAD_INPUT
    said = capsys.readouterr().err.splitlines()
    assert any("--out must be a folder" in line for line in said)
    assert "meanfield: [lwa] is unknown. Did you mean law?" in said


def test_a_missing_problem_file_is_bad_input(tmp_path, capsys):
    assert command.main(["solve", str(tmp_path / "none.toml"), "--out", str(tmp_path)]) == errors.BAD_INPUT
    assert "none.toml: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "COMMAND must be one of list, run, config, selftest, solve."),
        (["walk"], "invalid choice: 'walk' (choose from"),
        (["--fast"], "there is no option '--fast'. Valid: --version."),
        (["run", "stability"], "the following arguments are required: --out"),
        (["run", "stability", "--out", "x", "--fll"], "there is no option '--fll'. Did you mean --full?"),
        (["run", "stability", "--animate", "mp4", "--out", "x"], "--animate takes no value; got 'mp4'."),
        (["list", "stability"], "'stability' is one argument too many."),
    ],
)
def test_what_cannot_be_understood_is_bad_input(arguments, text, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    said = capsys.readouterr().err
    assert stop.value.code == errors.BAD_INPUT and text in said
    name = arguments[0] if arguments and arguments[0] in ("run", "list") else ""
    assert said.startswith(f"usage: meanfield {name}")


@pytest.fixture
def fake(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent))
    import fake_study

    monkeypatch.setattr(command, "STUDIES", {"fake": registry.Study("fake", "fake_study", "squares")})
    trouble = tmp_path / "trouble"
    settings = {"log": str(tmp_path / "log"), "trouble": str(trouble)}
    quick = classmethod(lambda cls, seed: cls(seed=seed, count=2, **settings))
    full = classmethod(lambda cls, seed: cls(seed=seed, count=3, **settings))
    monkeypatch.setattr(fake_study.Config, "quick", quick)
    monkeypatch.setattr(fake_study.Config, "full", full)
    return trouble


def test_run_prints_the_table_and_full_is_the_larger_size(fake, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out"), "--jobs", "1"]
    assert command.main(["run", "fake", *out]) == errors.DONE
    assert command.main(["run", "fake", "fake", "--full", "--seed", "1", *out]) == errors.DONE
    captured = capsys.readouterr()
    assert captured.out == "sum of squares 1\nsum of squares 8\n"
    assert captured.err == ""  # no progress bar: stderr is no terminal


def test_a_bar_is_shown_if_it_is_asked_for(fake, tmp_path, capsys):
    fake.write_text("1 once")
    assert command.main(["run", "fake", "--progress", "--jobs", "1", "--out", str(tmp_path / "out")]) == errors.DONE
    said = capsys.readouterr().err
    assert "0/2 done, 1 running, 0 failed" in said and "2/2 done, 0 running, 0 failed" in said and " left" in said
    assert "meanfield: fake: attempt 1 of case {'k': 1" in said


def test_a_shard_says_what_is_there(fake, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out"), "--jobs", "1"]
    assert command.main(["run", "fake", "--shard", "2/2", *out]) == errors.DONE
    assert command.main(["run", "fake", "--shard", "1/2", *out]) == errors.DONE
    said = capsys.readouterr().out.splitlines()
    assert said == ["fake: 1 of 2 cases are there; run without --shard to finish", "sum of squares 1"]


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "1/", "/2", "a/b", "-1/2", "1/0", "1/2/3", "１/2"])
def test_a_shard_that_is_none_is_bad_input(fake, tmp_path, capsys, shard):
    assert command.main(["run", "fake", f"--shard={shard}", "--out", str(tmp_path / "out")]) == errors.BAD_INPUT
    assert f"--shard must be i/N with 1 <= i <= N, as in 1/4; got {shard!r}." in capsys.readouterr().err


def test_jobs_and_dask_are_one_too_many(fake, tmp_path, capsys):
    arguments = ["run", "fake", "--jobs", "1", "--dask", "127.0.0.1:1", "--out", str(tmp_path / "out")]
    assert command.main(arguments) == errors.BAD_INPUT
    assert "--jobs is for processes on this machine, --dask for a cluster" in capsys.readouterr().err


def test_a_failed_run_is_3_and_says_why(fake, tmp_path, capsys):
    fake.write_text("1 raise")
    assert command.main(["run", "fake", "--jobs", "1", "--out", str(tmp_path / "out")]) == errors.RUN_FAILED
    said = capsys.readouterr().err
    assert "'k': 1" in said and "the case went wrong" in said and "1 failed; the finished cases are kept" in said


def test_a_folder_that_cannot_be_made_is_said_before_any_work(fake, tmp_path, capsys, monkeypatch):
    taken, out = tmp_path / "taken", tmp_path / "taken" / "in" / "out"
    taken.write_text("")
    arguments = ["run", "fake", "--jobs", "0", "--out", str(out)]
    assert command.main(arguments) == errors.BAD_INPUT
    assert capsys.readouterr().err.splitlines() == [
        "meanfield: --jobs must be an integer of at least 1; got '0'.",
        f"meanfield: --out must be a folder; {taken} is a file, and {out} cannot be made.",
    ]
    taken.unlink()
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)  # a mode forbids nothing to root
    assert command.main(arguments) == errors.BAD_INPUT
    assert f"--out must be a folder to write into; {tmp_path} forbids it, and {out} cannot be made." in (
        capsys.readouterr().err
    )


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_store_that_cannot_be_written_is_4(fake, tmp_path, capsys):
    cases = tmp_path / "out" / "fake" / "cases"
    fake.write_text(f"1 folder {cases}")
    assert command.main(["run", "fake", "--jobs", "1", "--out", str(tmp_path / "out")]) == errors.STORE_FAILED
    assert f"cannot write {cases}" in capsys.readouterr().err


def test_a_figure_that_cannot_be_saved_is_a_failure_of_its_study(fake, tmp_path, capsys, monkeypatch):
    import fake_study

    def figure(summary):
        drawn = before(summary)
        drawn.suptitle(r"$\nothing$")  # read when it is saved
        return drawn

    before = fake_study.figure
    monkeypatch.setattr(fake_study, "figure", figure)
    assert command.main(["run", "fake", "--jobs", "1", "--out", str(tmp_path / "out")]) == errors.RUN_FAILED
    said = capsys.readouterr().err
    assert "fake: drawing failed:" in said and "nothing" in said


def test_an_interrupt_while_drawing_is_one_whatever_matplotlib_makes_of_it(fake, tmp_path, capsys, monkeypatch):
    import fake_study

    def figure(summary):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("Invalid affine transformation matrix") from None

    monkeypatch.setattr(fake_study, "figure", figure)
    assert command.main(["run", "fake", "--jobs", "1", "--out", str(tmp_path / "out")]) == errors.INTERRUPTED
    assert capsys.readouterr().err == "meanfield: interrupted; finished results are kept\n"
    assert len(list((tmp_path / "out" / "fake" / "cases").glob("*.json"))) == 2


class TestGroups:
    """Two studies and a third that has a film, under one name."""

    @pytest.fixture(autouse=True)
    def group(self, fake, monkeypatch):
        names = ("one", "two", "three")
        monkeypatch.setattr(command, "STUDIES", {name: registry.Study(name, "fake_study", name) for name in names})
        monkeypatch.setattr(command, "GROUPS", {"both": ("two", "one"), "elsewhere": ("four",)})
        monkeypatch.setattr(command, "_TITLES", {"both": "two of them"})

    def test_a_name_stands_for_its_studies_in_order(self, tmp_path, capsys):
        arguments = ["run", "both", "three", "one", "--jobs", "1", "--progress", "--out", str(tmp_path / "out")]
        assert command.main(arguments) == errors.DONE
        captured = capsys.readouterr()
        heading = [line for line in captured.out.splitlines() if line.startswith("== ")]
        assert heading == [
            "== two (study 1 of 3): two",
            "== one (study 2 of 3): one",
            "== three (study 3 of 3): three",
        ]
        assert captured.out.count("sum of squares 1\n") == 3
        assert "two (study 1 of 3) |" in captured.err and "three (study 3 of 3) |" in captured.err

    def test_one_that_fails_does_not_stop_the_others(self, fake, tmp_path, capsys):
        fake.write_text("1 raise")
        arguments = ["run", "both", "--jobs", "1", "--out", str(tmp_path / "out")]
        assert command.main(arguments) == errors.RUN_FAILED
        said = capsys.readouterr().err
        assert "meanfield: 2 of 2 studies failed: two, one" in said
        assert len(list((tmp_path / "out").glob("*/cases/*.json"))) == 2  # case 0 of each
        fake.unlink()
        assert command.main(arguments) == errors.DONE
        assert len((tmp_path / "log").read_text().split()) == 2 * 2 + 2  # and of the second run, case 1 of each

    def test_all_are_done_in_the_same_processes(self, monkeypatch, tmp_path):
        from studies import pool

        started = []
        before = pool._Worker.__init__
        monkeypatch.setattr(pool._Worker, "__init__", lambda self, n: (started.append(n), before(self, n))[1])
        assert command.main(["run", "both", "three", "--jobs", "1", "--out", str(tmp_path / "out")]) == errors.DONE
        assert len(started) == 1

    def test_cases_that_cannot_be_listed_are_a_failure(self, monkeypatch, tmp_path, capsys):
        import fake_study

        before = fake_study.cases
        left = ["two"]
        monkeypatch.setattr(fake_study, "cases", lambda config: before(config) if not left else left.pop() / 1)
        arguments = ["run", "both", "--jobs", "1", "--out", str(tmp_path / "out")]
        assert command.main(arguments) == errors.RUN_FAILED
        captured = capsys.readouterr()
        assert "two: listing the cases failed" in captured.err and "sum of squares 1" in captured.out

    def test_config_prints_all_of_them(self, capsys):
        assert command.main(["config", "both"]) == errors.DONE
        assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")] == ["[two]", "[one]"]

    def test_the_nearest_may_be_a_group(self, capsys, tmp_path):
        assert command.main(["run", "bth", "--out", str(tmp_path)]) == errors.BAD_INPUT
        assert "no study is called 'bth'. Did you mean both?" in capsys.readouterr().err

    def test_a_study_that_cannot_be_imported_is_said_before_any_work(self, monkeypatch, capsys, tmp_path):
        broken = registry.Study("two", "no_such_module", "two")
        monkeypatch.setattr(command, "STUDIES", {**command.STUDIES, "two": broken})
        assert command.main(["run", "both", "--out", str(tmp_path / "out")]) == errors.BAD_INPUT
        assert "the study two cannot be imported: No module named 'no_such_module'" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_a_group_of_unknown_studies_is_none(self, capsys, tmp_path):
        assert command.main(["run", "elsewhere", "--out", str(tmp_path)]) == errors.BAD_INPUT
        assert "Valid: one, two, three, both." in capsys.readouterr().err


class TestPage:
    @pytest.fixture(autouse=True)
    def paper(self, fake, monkeypatch):
        monkeypatch.setattr(command, "GROUPS", {"paper": ("fake",)})
        monkeypatch.setattr("studies.paper.page.read", lambda out: sorted(path.name for path in out.iterdir()))
        monkeypatch.setattr("studies.paper.page.markdown", lambda results: f"# The page of {results}\n")

    def test_the_page_is_written_when_all_is_done(self, tmp_path, capsys):
        out = tmp_path / "out"
        assert command.main(["run", "paper", "--jobs", "1", "--out", str(out)]) == errors.DONE
        assert (out / "paper.md").read_text() == "# The page of ['fake']\n"
        assert f"the page of the paper: {out / 'paper.md'}" in capsys.readouterr().out

    def test_a_page_that_fails_is_3(self, monkeypatch, tmp_path, capsys):
        monkeypatch.setattr("studies.paper.page.read", lambda out: 1 / 0)
        assert command.main(["run", "paper", "--jobs", "1", "--out", str(tmp_path / "out")]) == errors.RUN_FAILED
        assert "the page of the paper failed:" in capsys.readouterr().err

    @pytest.mark.parametrize("arguments", [["--shard", "1/2"], []])
    def test_it_is_not_written_before(self, fake, arguments, tmp_path, capsys):
        out = tmp_path / "out"
        if not arguments:
            fake.write_text("1 raise")
        command.main(["run", "paper", "--jobs", "1", "--out", str(out), *arguments])
        assert "the page of the paper is not written: fake did not finish" in capsys.readouterr().err
        assert not (out / "paper.md").exists()
