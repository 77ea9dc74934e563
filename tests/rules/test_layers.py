"""Who may import whom: the rooms of the package, and what stays in one of them."""

from __future__ import annotations

import ast

import pytest

from tests.rules.sources import dotted, imported, modules

EVERYTHING = "*"

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "lean": set(),
    "metrics": set(),
    # The only door to the parsers of JSON and TOML.
    "parsing": set(),
    # The only door to the extension that Rust builds; its types are in kernel.pyi.
    "native": {"kernel"},
    "settings": {"errors", "parsing"},
    "events": {"errors", "parsing", "native", "kernel"},
    "privacy": {"errors", "events", "native", "kernel"},
    # Beside the words of events/, the values that its files hold: key epochs, opt-out standings.
    "io": {
        "errors",
        "parsing",
        "native",
        "events.catalogue",
        "events.model",
        "events.promises",
        "events.schema",
        "events.schema_file",
        # What a schema file may declare is loaded with it: treatments are classes of privacy/.
        "events.documents",
        "events.evolution",
        "events.formats.model",
        "events.formats.parse",
        "events.treatments",
        # A registry's schemas say how messages are read: the pure part makes readers of them.
        "events.wire.model",
        "events.wire.reading",
        "privacy.treatments",
        "privacy.identity.epochs",
        "privacy.identity.tokens",
        "privacy.optout",
        # A list that is read where it lies remembers what it was asked for.
        "privacy.memo",
        "schemas",
        # A source and a store of keys declare their own settings, in the words of settings. The
        # settings get these declarations as an argument, and import nothing of io.
        "settings.declared",
        "settings.source",
        "settings.values",
        # Vault's variables of the environment, which a reference to a secret reads as well.
        "settings.vault_access",
    },
    "flow": {"errors", "parsing", "lean", "metrics", "settings", "events", "privacy", "io"},
    "ops": {"errors", "parsing", "metrics", "events", "privacy", "io"},
    "dashboard": {"errors", "parsing", "events.schema"},
    "demo": {"errors", "parsing", "events", "privacy", "io"},
    # The stable door for Python: it opens things as the commands do, and has no other way.
    "api": {
        "errors",
        "settings",
        "events",
        "io",
        "ops",
        "privacy",
        "flow.steps.accounted",
        "flow.steps.guard",
        "cli.declared",
        "cli.wiring",
    },
    "cli": {EVERYTHING},
}

PURE = ("events", "privacy")
IMPURE_MODULES = (
    "asyncio",
    "datetime.datetime.now",
    "glob",
    "io.open",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
)
PURE_PARTS_OF_SOCKET = ("inet_aton", "inet_ntoa", "inet_pton", "inet_ntop", "AF_INET", "AF_INET6")
IMPURE_CALLS = ("open", "input", "print", "datetime.now", "datetime.today", "date.today")


def allowed(module: str, target: str) -> bool:
    """May `module` import `target` (both without the leading `pipeline.`)?"""
    room = module.split(".")[0]
    if target.split(".")[0] == room:
        return True
    return any(
        entry == EVERYTHING or target == entry or target.startswith(f"{entry}.")
        for entry in MAY_IMPORT[room]
    )


def test_every_module_lives_in_a_known_room() -> None:
    unknown = {m.where for m in modules() if m.room and m.room not in MAY_IMPORT}
    assert unknown == set()


def test_rooms_import_only_what_the_architecture_allows() -> None:
    broken = []
    for module in modules():
        if not module.room:
            continue
        own = module.name.removeprefix("pipeline.")
        for line, name in imported(module.tree):
            if not name.startswith("pipeline."):
                continue
            target = name.removeprefix("pipeline.")
            if target != "__version__" and not allowed(own, target):
                broken.append(f"{module.where}:{line} imports {name}")
    assert broken == []


@pytest.mark.parametrize(
    ("module", "target", "answer"),
    [
        ("io.lake.lake", "events.model.CleanBatch", True),
        ("io.lake.lake", "events.decode.decoder.Decoder", False),
        ("events.decode.decoder", "privacy.identity.tokens", False),
        ("events.schema", "events.treatments", True),
        ("ops.retention.seal", "settings.Settings", False),
        ("cli.main", "flow.graph", True),
        ("api.reading", "cli.wiring.opening", True),
        ("api.reading", "cli.frame.output", False),
        ("ops.views", "api", False),
    ],
)
def test_the_rule_tells_allowed_from_forbidden(module: str, target: str, answer: bool) -> None:
    assert allowed(module, target) is answer


def test_only_flow_imports_beam() -> None:
    broken = [
        f"{module.where}:{line}"
        for module in modules()
        if module.room != "flow"
        for line, name in imported(module.tree)
        if name.split(".")[0] == "apache_beam"
    ]
    assert broken == []


def test_only_the_command_line_imports_click_and_rich() -> None:
    broken = [
        f"{module.where}:{line}"
        for module in modules()
        if module.room != "cli"
        for line, name in imported(module.tree)
        if name.split(".")[0] in ("click", "rich")
    ]
    assert broken == []


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_touch_no_file_clock_randomness_or_environment(room: str) -> None:
    broken = []
    for module in modules():
        if module.room != room:
            continue
        for line, name in imported(module.tree):
            if any(name == bad or name.startswith(f"{bad}.") for bad in IMPURE_MODULES):
                broken.append(f"{module.where}:{line} imports {name}")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and dotted(node.func) in IMPURE_CALLS:
                broken.append(f"{module.where}:{node.lineno} calls {dotted(node.func)}")
            if (
                isinstance(node, ast.Attribute)
                and dotted(node.value) == "socket"
                and node.attr not in PURE_PARTS_OF_SOCKET
            ):
                broken.append(f"{module.where}:{node.lineno} uses socket.{node.attr}")
    assert broken == []


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_say_their_types_without_any(room: str) -> None:
    broken = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        if module.room == room
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name | ast.alias)
        and (node.id if isinstance(node, ast.Name) else node.name) == "Any"
    ]
    assert broken == []


def test_only_the_command_line_prints() -> None:
    broken = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        if module.room != "cli"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and dotted(node.func) in ("print", "sys.stdout.write", "sys.stderr.write")
    ]
    assert broken == []


def test_only_io_and_the_command_line_open_files() -> None:
    opens = ("open", "os.open", "os.fdopen", "gzip.open", "zstandard.open")
    methods = ("read_text", "read_bytes", "write_text", "write_bytes")
    broken = []
    for module in modules():
        if module.room in ("io", "cli"):
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if dotted(node.func) in opens or (method in methods and module.room in PURE):
                broken.append(f"{module.where}:{node.lineno} calls {dotted(node.func) or method}")
    assert broken == []


def test_json_and_toml_of_others_are_parsed_at_one_door() -> None:
    """The standard parsers end with an error that no reader expects, see `pipeline.parsing`."""
    parsers = ("json.load", "json.loads", "tomllib.load", "tomllib.loads")
    broken = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        if module.room != "parsing"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and dotted(node) in parsers
    ]
    assert broken == []
