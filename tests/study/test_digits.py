"""One rule for digits: a value and its interval look the same in a terminal, a page and a plot."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from dice_semimetric_study.cli import main
from dice_semimetric_study.results.text import form_of, interval, number
from study_files import study


@pytest.mark.parametrize(
    ("value", "ends", "text"),
    [
        (0.84237, (0.81, 0.87), "0.842 (0.810, 0.870)"),
        (0.84237, (0.7, 0.98), "0.84 (0.70, 0.98)"),
        (0.0014912, (0.00106, 0.00202), "0.00149 (0.00106, 0.00202)"),
        (0.0014912, (0.001491199, 0.001491201), "0.001491 (0.001491, 0.001491)"),
        (1.0, (1.0, 1.0), "1.0000 (1.0000, 1.0000)"),
        (12.3456, (11.0, 13.8), "12.3 (11.0, 13.8)"),
        (1234.56, (1000.2, 1500.7), "1235 (1000, 1501)"),
        (-0.0123, (-0.0171, -0.0082), "-0.0123 (-0.0171, -0.0082)"),
        (-0.00001, (-0.0021, 0.0013), "0.0000 (-0.0021, 0.0013)"),
        (0.0141, (-0.00001, 0.0282), "0.014 (0.000, 0.028)"),
        (-0.00001, None, "0.0000 (-)"),
        (0.84237, None, "0.8424 (-)"),
        (0.84237, (None, None), "0.8424 (-)"),
        (0.84237, (np.nan, np.nan), "0.8424 (-)"),
        (12.3456, None, "12.346 (-)"),
        (-123456.7, None, "-123457 (-)"),
        (np.inf, None, "inf (-)"),
        (None, None, "- (-)"),
        (np.nan, (0.0, 1.0), "- (0.00, 1.00)"),
    ],
)
def test_two_significant_digits_of_half_the_width(value, ends, text: str) -> None:
    assert f"{number(value, form_of(ends))} ({interval(ends)})" == text


def test_a_sign_is_kept() -> None:
    assert number(0.25, form_of((0.2, 0.3), sign="+")) == "+0.250"
    assert number(0.25, form_of(None, sign="+")) == "+0.2500"
    assert number(-0.00001, form_of((-0.01, 0.01), sign="+")) == "+0.000"


def test_a_value_looks_the_same_everywhere(tmp_path: Path, capsys) -> None:
    study(tmp_path)
    files = ["--pred", str(tmp_path / "pred"), "--ref", str(tmp_path / "ref"), "--no-pictures"]
    scores, page = tmp_path / "scores", tmp_path / "page.html"
    assert main(["evaluate", *files, "--out", str(scores), "--report", str(page)]) == 0
    text = capsys.readouterr().out
    part = json.loads((scores / "summary.json").read_text())["overall"]
    form = form_of(part["intervals"]["bdice"])
    mean, (low, high) = format(part["bdice"], form), part["intervals"]["bdice"]
    ends = format(low, form), format(high, form)
    assert re.search(rf"task01 +3 +0 +{mean} ", text)
    assert re.search(rf"95 % CI +{ends[0]}, {ends[1]} ", text)
    source = page.read_text()
    assert f'<p class="value">{mean}</p>' in source
    assert f"95 % CI {ends[0]} to {ends[1]}" in source
    models = [f"{name}={scores}" for name in "ab"]
    compared = ["compare", "--scores", *models, "--out", str(tmp_path / "both"), "--no-pictures"]
    assert main(compared) == 0
    assert re.search(rf"a +{mean} \(1.5\) ", capsys.readouterr().out)
