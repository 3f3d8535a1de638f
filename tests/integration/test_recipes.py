"""Every recipe loads, plans and rehearses: with a small base built on the spot, for no money and without a key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distill.config import load_config

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "configs" / "recipes").glob("*.yaml"))
SMALL = ("student.base={hidden_size: 16, layers: 1, heads: 2}", "student.revision=null", "student.lora=null",
         "student.epochs=1", "student.max_new_tokens=48")  # fmt: skip


def _call(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return subprocess.run([sys.executable, "-m", "distill", *arguments], cwd=tmp_path, text=True, capture_output=True,
                          timeout=280, env=environment | {"OMP_NUM_THREADS": "1"})  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_loads_without_a_warning_and_says_cost_machine_and_change(recipe):
    assert load_config(recipe, [], {}).warnings == ()
    head = recipe.read_text(encoding="utf-8").split("name:")[0]
    assert all(word in head for word in ("# Costs:", "# Machine:", "# Change:"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_plans(recipe, tmp_path):
    planned = _call(tmp_path, "plan", str(recipe), "--json")
    assert planned.returncode == 0, planned.stderr
    plan = json.loads(planned.stdout)
    assert len(plan["stages"]) >= 8
    assert plan["cost_usd"]["high"] is not None


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_rehearses_to_a_verdict(recipe, tmp_path):
    overrides = [word for value in SMALL for word in ("--set", value)]
    ran = _call(tmp_path, "rehearse", str(recipe), "--json", *overrides)
    assert ran.returncode in (0, 3, 4, 7), ran.stderr
    assert json.loads(ran.stdout)["verdict"] in ("promote", "hold", "inconclusive", "invalid")


def test_every_recipe_is_on_the_page_of_recipes():
    page = (ROOT / "docs" / "howto" / "recipes.md").read_text(encoding="utf-8")
    assert [recipe.stem for recipe in RECIPES if f"`{recipe.stem}`" not in page] == []
