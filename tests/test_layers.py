"""The import table, no cycles, file lengths, and every folder packaged."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SB3_AGENTS = {f"agents/{name}.py" for name in ("sb3", "sb3_dqn", "sb3_gaussian", "sb3_maskable", "sb3_sac")}
FOLDERS = {
    "trajectories": {"contracts"},
    "patient_models": {"contracts", "trajectories"},
    "envs": {"contracts", "trajectories", "patient_models"},
    "agents": {"contracts", "trajectories"},
    "evaluation": {"contracts", "trajectories"},
    "experiments": {"contracts", "trajectories", "patient_models", "envs", "agents", "evaluation"},
    "benchmarks": {"contracts", "trajectories", "patient_models", "envs", "agents", "evaluation"},
}
HEAVY = {
    "gymnasium": {"__init__.py", "envs/gym_env.py", "envs/vector_env.py", "envs/sb3_vec.py", *SB3_AGENTS},
    "stable_baselines3": {
        "envs/sb3_vec.py",
        "agents/sb3_tools.py",
        *SB3_AGENTS,
        "benchmarks/stepping.py",
        "benchmarks/learners.py",
    },
    "sb3_contrib": {"agents/sb3_maskable.py"},
    "pandas": {"trajectories/convert.py", "evaluation/tables.py", "experiments/studies/ingest_pandas.py"},
    "matplotlib": {
        "evaluation/figures.py",
        "envs/render.py",
        "experiments/studies/agents_figures.py",
        "experiments/studies/budgets_figure.py",
        "experiments/studies/cross_hospital_page.py",
        "experiments/studies/deferral_figure.py",
        "experiments/studies/exploitation_figure.py",
        "experiments/studies/icu_sepsis_figures.py",
        "experiments/studies/imaging_value_page.py",
        "experiments/studies/off_policy_page.py",
        "experiments/studies/safety_figures.py",
        "experiments/studies/patient_courses.py",
        "patient_models/imaging/contact_sheet.py",
    },
}
SOURCES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))
NAMES = [str(p.relative_to(ROOT)) for p in SOURCES]


def imports(path: Path) -> set[str]:
    """Absolute dotted names of everything that a file imports; own modules as posology.<folder>..."""
    package = ["posology", *path.relative_to(ROOT).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{stem}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_only_allowed_folders_are_imported(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    own = {name.split(".")[1] for name in imports(path) if name.startswith("posology.")}
    assert own <= FOLDERS[folder] | {folder, "__version__"}, f"{path.name} may not import {own - FOLDERS[folder]}"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_heavy_libraries_stay_where_they_belong(path: Path) -> None:
    relative = str(path.relative_to(ROOT))
    roots = {name.split(".")[0] for name in imports(path)}
    for library, allowed in HEAVY.items():
        assert library not in roots or relative in allowed, f"{relative} imports {library}"


@pytest.mark.parametrize("path", [*SOURCES, ROOT / "contracts.py", ROOT / "__init__.py"], ids=str)
def test_files_hold_one_concept(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= 300, f"{path} has {lines} lines: more than 300 hold two concepts"


def test_no_import_cycle() -> None:
    graph = {name[:-3].replace("/", "."): set() for name in NAMES}
    for path, name in zip(SOURCES, graph, strict=True):
        for target in imports(path):
            stem = target.removeprefix("posology.")
            for candidate in (stem, stem.rpartition(".")[0]):
                if candidate in graph and candidate != name:
                    graph[name].add(candidate)
                    break
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module not in done:
            for target in graph[module]:
                visit(target, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_every_folder_is_packaged() -> None:
    declared = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {"posology"} | {
        "posology." + ".".join(p.relative_to(ROOT).parent.parts)
        for folder in FOLDERS
        for p in (ROOT / folder).rglob("__init__.py")
    }
    assert declared == found


def test_root_holds_only_the_contract() -> None:
    assert {p.name for p in ROOT.glob("*.py")} == {"__init__.py", "__main__.py", "contracts.py"}
