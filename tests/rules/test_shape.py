"""The shape of the code: sizes, names, quiet imports, narrow handlers."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator

from packaging.requirements import Requirement

from tests.rules.sources import ROOT, Module, dotted, imported, modules, project

LONGEST = 350
MOST_MODULES = 15
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
AT_IMPORT = (
    "open",
    "os.getenv",
    "os.environ.get",
    "os.open",
    "os.makedirs",
    "logging.basicConfig",
    "signal.signal",
    "subprocess.run",
    "threading.Thread",
    "datetime.now",
    "time.time",
    "atexit.register",
)
MAY_CATCH_ALL = ("cli", "flow.steps.guard")


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported (not the bodies of its functions)."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults]
        elif not isinstance(node, ast.Lambda):
            yield node
            waiting += list(ast.iter_child_nodes(node))


def test_modules_stay_short_enough_to_read() -> None:
    long = {
        module.where: lines
        for folder in ("pipeline", "benchmarks")
        for module in modules(folder)
        if (lines := module.text.count("\n")) > LONGEST
    }
    assert long == {}


def test_modules_of_the_kernel_stay_as_short() -> None:
    sources = list((ROOT / "kernel" / "src").rglob("*.rs"))
    lines = {str(path.relative_to(ROOT)): path.read_text("utf-8").count("\n") for path in sources}
    assert {where: count for where, count in lines.items() if count > LONGEST} == {}
    assert lines


def test_no_module_or_package_has_a_name_that_says_nothing() -> None:
    named = {m.where for m in modules() if BANNED_NAMES & set(m.name.split("."))}
    assert named == set()


def test_packages_are_at_most_two_levels_deep() -> None:
    deep = {m.where for m in modules() if m.name.count(".") > 3}
    assert deep == set()


def test_a_folder_holds_few_enough_modules_to_read() -> None:
    held = Counter(m.path.parent for m in modules() if m.path.name != "__init__.py")
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder, count in held.items()
        if count > MOST_MODULES and folder != ROOT / "pipeline" / "cli" / "commands"
    }
    assert crowded == {}


def test_three_modules_that_share_a_prefix_are_a_package() -> None:
    prefixes = Counter(
        (m.path.parent, m.path.stem.split("_")[0])
        for m in modules()
        if not m.path.stem.startswith("_") and "_" in m.path.stem
    )
    # One check a subject; the list of opt-outs, the topic that carries it, and its writer.
    allowed = {("audit", "check"), ("rights", "optout")}
    broken = {
        f"{folder.relative_to(ROOT)}/{prefix}_*"
        for (folder, prefix), count in prefixes.items()
        if count >= 3 and (folder.name, prefix) not in allowed
    }
    assert broken == set()


def test_every_module_says_what_it_is() -> None:
    silent = {
        module.where
        for module in modules()
        if not ast.get_docstring(module.tree) and module.text.strip()
    }
    assert silent == set()


def test_every_public_function_and_class_has_a_docstring() -> None:
    silent = [
        f"{module.where}:{node.lineno} {node.name}"
        for module in modules()
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_nothing_happens_when_a_module_is_imported() -> None:
    broken = []
    for module in modules():
        for node in at_import(module.tree):
            if isinstance(node, ast.Call) and dotted(node.func) in AT_IMPORT:
                broken.append(f"{module.where}:{node.lineno} calls {dotted(node.func)}")
            elif isinstance(node, ast.Subscript) and dotted(node.value) == "os.environ":
                broken.append(f"{module.where}:{node.lineno} reads the environment")
    assert broken == []


def test_only_settings_and_the_command_line_read_the_environment() -> None:
    readers = ("os.environ", "os.getenv", "os.environb")
    broken = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        # `native` decides by one variable which decoder runs, in workers that have no settings too.
        if module.room not in ("settings", "cli", "native")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and dotted(node) in readers
    ]
    assert broken == []


def catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(dotted(kind) in ("Exception", "BaseException") for kind in kinds)


def only_cleans_up(handler: ast.ExceptHandler) -> bool:
    """Does it let the exception go on, whatever it does before?"""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def may_catch_all(module: Module) -> bool:
    name = module.name.removeprefix("pipeline.")
    return any(name == place or name.startswith(f"{place}.") for place in MAY_CATCH_ALL)


def test_only_the_guard_and_the_command_line_catch_everything() -> None:
    broken = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        if not may_catch_all(module)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and catches_all(node) and not only_cleans_up(node)
    ]
    assert broken == []


def test_no_stage_hands_elements_to_beams_own_error_handling() -> None:
    broken = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "with_exception_handling"
    ]
    assert broken == []


def test_the_package_imports_only_what_it_declares() -> None:
    texts = [*project()["dependencies"]]
    texts += [text for extra in project()["optional-dependencies"].values() for text in extra]
    declared = {Requirement(text).name.lower() for text in texts}
    distribution = {
        "apache_beam": "apache-beam",
        "confluent_kafka": "confluent-kafka",
        "google": "google-cloud-secret-manager",
        "kafka": "kafka-python",
        "maxminddb": "geoip2",  # comes with it
        "grpc": "grpcio",
        "mmdb_writer": "mmdb-writer",
        "opentelemetry": "opentelemetry-sdk",
        "prometheus_client": "prometheus-client",
        "snappy": "python-snappy",
        "ua_parser": "ua-parser",
        "yaml": "pyyaml",
    }
    missing = set()
    for module in modules():
        for _, name in imported(module.tree):
            top = name.split(".")[0]
            if top == "pipeline" or top in sys.stdlib_module_names:
                continue
            if distribution.get(top, top).lower() not in declared:
                missing.add(f"{module.where} imports {top}")
    assert missing == set()


def test_what_runs_in_production_comes_with_the_package_itself() -> None:
    only_for_tests = {"pytest", "hypothesis", "playwright", "polars", "pandas", "confluent_kafka"}
    broken = [
        f"{module.where}:{line} imports {name}"
        for module in modules()
        for line, name in imported(module.tree)
        if name.split(".")[0] in only_for_tests
    ]
    assert broken == []
