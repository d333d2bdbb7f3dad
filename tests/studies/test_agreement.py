"""The parts of the agreement study: distances, stated errors, verdicts and the page made from them."""

import json
from dataclasses import replace

import numpy as np
import pytest

import cases as known
import meanfield
from meanfield import Density, Gaussian, Grid, ParticleMethod, Smooth, Uniform
from meanfield.wasserstein import gelbrich
from particles import Attention, Empirical, Raw
from studies import agreement
from studies.agreement import __main__ as command
from studies.agreement import pairs, problems, report
from studies.agreement.distance import apart, compared, split
from studies.agreement.problems import Sizes, Solution

SMALL = Sizes(1.0, (32, 8, 4))
SLIM = agreement.Config(
    particles=(6, 8), cells=(16, 32), plane_cells=(8, 12), plane_particles=(4, 6), pair_cells=(32, 8, 4)
)


def judged(found: list[Solution], atoms: int = 1) -> list[dict]:
    result = {
        "methods": [solution.method for solution in found],
        "errors": [solution.error for solution in found],
        "pairs": [pairs._pair(mu, nu, atoms) for k, mu in enumerate(found) for nu in found[k + 1 :]],
    }
    return pairs.rows("some", json.loads(json.dumps(result)))


class TestDistances:
    def test_cells_cut_into_equal_ones_are_the_same_measure(self, rng: np.random.Generator) -> None:
        masses = rng.random((3, 2))
        mu = Density(Grid([-1.0, 0.0], [1.0, 3.0], (3, 2)), masses / masses.sum())
        finer = split(mu, (6, 8))
        assert finer.grid.shape == (6, 8)
        np.testing.assert_allclose(finer.mean, mu.mean, atol=1e-15)  # rounding
        np.testing.assert_allclose(finer.cov, mu.cov, atol=1e-15)
        assert apart(mu, finer) == pytest.approx(0, abs=1e-7)  # the root of the linear program's rounding

    def test_grids_that_differ_by_a_shift_are_that_far_apart(self) -> None:
        masses = np.full((4, 4), 1 / 16)
        mu, nu = (Density(Grid([x, 0.0], [x + 1, 1.0], (4, 4)), masses) for x in (0.0, 0.3))
        assert apart(mu, nu) == pytest.approx(0.3, rel=1e-12)  # a translation is optimal

    def test_images_of_one_measure_are_compared_along_their_flows(self) -> None:
        law = Raw(Attention(Q=np.zeros((2, 2)), K=np.zeros((2, 2)), V=np.eye(2)))
        start = Smooth(lambda x: np.prod(0.5 + 0.25 * x, axis=1), [-1.0, -1.0], [1.0, 1.0])
        coarse, fine = (meanfield.solve(law, start, [0.0, 1.0], method=ParticleMethod(n=n)) for n in (4, 6))
        assert apart(coarse[-1], fine[-1]) < 1e-10  # both translate, by steps to 1e-11
        moved = float(np.linalg.norm((np.e - 1) * start.mean))
        # a translation again; no atoms, hence no quantisation
        assert compared(fine[0], fine[1], 1) == (pytest.approx(moved, rel=1e-9), 0.0)

    @pytest.mark.parametrize("dim", [2, 3])
    def test_the_bound_from_below_is_one(self, dim: int, rng: np.random.Generator) -> None:
        for _ in range(5):
            mu, nu = (Empirical(rng.normal(size=(30, dim)) * rng.uniform(0.5, 2, dim)) for _ in range(2))
            distance, blur = compared(mu, nu, 1)
            assert 0.1 * distance < gelbrich(mu, nu) <= distance + blur

    def test_it_is_sharp_for_normal_laws(self) -> None:
        mu, nu = known.plane_gaussian(), Gaussian([0.0, 1.0], [[1.0, 0.2], [0.2, 0.5]])
        distance = compared(mu, nu, 1)[0]
        assert distance * (1 - 1e-12) < gelbrich(mu, nu) <= distance  # it leaves out its own rounding


class TestVerdicts:
    def test_errors_that_are_stated_too_small_are_seen(self) -> None:
        mu = Solution("A", Uniform([0.0], [1.0]), 0.06)
        near, far = (Solution("B", Uniform([x], [1.0 + x]), 0.06) for x in (0.1, 0.13))
        assert [pair["verdict"] for pair in judged([mu, near])] == [pairs.AGREE]
        assert [pair["verdict"] for pair in judged([mu, far])] == [pairs.DISAGREE]

    def test_atoms_do_not_hide_a_disagreement_in_the_plane(self) -> None:
        mu, nu = (Solution("A", Uniform([x, 0.0], [x + 1.0, 1.0]), 0.01) for x in (0.0, 0.1))
        (pair,) = judged([mu, replace(nu, method="B")], atoms=16)
        assert pair["ratio"] < 1 < pair["sharp"]  # 16 atoms stand for a density to 0.1, twice
        assert pair["verdict"] == pairs.DISAGREE

    def test_no_number_is_no_agreement(self) -> None:
        mu, nu = (Solution(name, Uniform([0.0], [1.0]), error) for name, error in (("A", 0.1), ("B", float("nan"))))
        assert [pair["verdict"] for pair in judged([mu, nu])] == [pairs.DISAGREE]


class TestProblems:
    def test_the_mirrored_pair_by_its_integral(self) -> None:
        for x0, depth in ((0.7, 1.0), (0.2, 2.5)):
            # an ODE in many digits on the other side; rounding times e^t on this
            assert problems._mirrored_position(x0, depth) == pytest.approx(
                known.mirrored_position(x0, depth), rel=1e-13
            )

    def test_a_stated_error_of_first_order_is_twice_the_distance_to_the_coarser(self) -> None:
        for order, times in ((1, 2), (2, 1)):
            found = problems._refined("A", lambda coarser: Empirical([[float(coarser)]]), order)
            assert found.measure.mean == [1.0]
            assert found.error == pytest.approx(times, abs=1e-11)  # the allowance for rounding, 1e-12

    def test_a_run_that_stops_is_no_solution(self) -> None:
        law, start = Raw(known.line(1.0, 1.0)), Gaussian([0.0], [[1.0]])  # blows up at t = 1/2
        with pytest.raises(ArithmeticError, match="blow-up"):
            problems._end(law, start, 1.0, meanfield.Riccati())

    def test_the_image_of_a_rescaled_solution_is_the_raw_one(self) -> None:
        found = {solution.method: solution for solution in problems.solutions("frames", SMALL)}
        raw, rescaled = (found[name].measure for name in ("particles", "particles, rescaled"))
        assert meanfield.wasserstein(raw, rescaled) <= found["particles"].error + found["particles, rescaled"].error
        x = raw.nodes.points[5:-5:7]
        # densities to the tolerance of the particles, over the width of the support
        np.testing.assert_allclose(rescaled.pdf(x), raw.pdf(x), rtol=1e-6)


@pytest.fixture(scope="module")
def slim() -> dict:
    results = [agreement.run_case(case) for case in agreement.cases(SLIM)]
    return json.loads(json.dumps(agreement.summary(SLIM, json.loads(json.dumps(results)))))


class TestTheWhole:
    def test_on_few_cells_too_the_methods_agree(self, slim: dict) -> None:
        assert [(pair["problem"], pair["A"], pair["B"]) for pair in slim["pairs"] if pair["verdict"] != "agree"] == []
        assert slim["headline"]["disagreements"] == 0
        assert {pair["problem"] for pair in slim["pairs"]} == set(problems.TITLES)

    def test_every_pair_is_in_the_table_and_on_the_page(self, slim: dict, tmp_path, capsys) -> None:
        table, page = agreement.table(slim).splitlines(), report.markdown({"summary": slim}).splitlines()
        count = slim["headline"]["pairs"]
        assert sum(line.endswith(pairs.AGREE) for line in table) == count
        assert sum(line.endswith(f"| {pairs.AGREE} |") for line in page) == count
        assert any(f"{count} pairs of solutions, 0 disagreements" in line for line in page)
        rows = [line.count("|") for line in page if line.startswith("|")]
        assert set(rows) == {len(pairs.HEADING) + 1, 8}  # all cells of both tables
        file = tmp_path / "agreement.json"
        file.write_text(json.dumps({"summary": slim}), encoding="utf-8")
        assert command.main([str(file)]) == 0
        assert capsys.readouterr().out.splitlines() == page

    def test_the_command_wants_a_file(self, capsys) -> None:
        assert command.main([]) == command.main(["/no/such/file.json"]) == 2
        assert "usage" in capsys.readouterr().err
