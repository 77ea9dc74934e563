"""The one scan of a lake, shared by audit and demo: what no rule names is a finding.

    1. everything below the root is matched with the grammar of places
    2. every log is read, action by action, and compared with the listing
    3. every Parquet file, named or not, is read row group by row group, two at a time
    4. publications and manifest are compared with the registry
    5. tokens of different epochs are compared; files being written must be gone or committed

Memory holds one row group for each thread, the listing, and a bounded sample of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime

from pipeline.io.lake.lake import Lake
from pipeline.io.tree import Tree, tree_of
from pipeline.ops.scan.declared import Declared, Sought
from pipeline.ops.scan.findings import Finding, Scanned, merged
from pipeline.ops.scan.parquet_scan import READABLE
from pipeline.ops.scan.places import LAKE, Holds, TableGrammar
from pipeline.ops.scan.published_scan import (
    CELLS,
    GATED,
    manifest_rule,
    scan_manifest,
    scan_publication,
    vocabulary,
)
from pipeline.ops.scan.table_scan import FAULTS, TableScan
from pipeline.ops.scan.token_epochs import TokenEpochs
from pipeline.ops.scan.walk import Walked, still_there, walk

EPOCHS = "tokens_of_one_epoch"


def scan_lake(
    lake: Lake,
    declared: Declared,
    now: datetime,
    *,
    sought: Callable[[], Sequence[Sought]] = list,
    held: frozenset[date] = frozenset(),
    progress: Callable[[str], None] = lambda _: None,
) -> Scanned:
    """Scan everything below the lake's root. `held`: days that a legal hold keeps.

    `sought` says whose rows must be gone; it is asked when the listing is complete.

    Nothing is changed. What cannot be read is a finding. Raises LakeError or EnvironmentProblem
    if the root cannot even be listed.
    """
    tree = tree_of(lake)
    walked = walk("lake", tree, TableGrammar(LAKE, declared.known))
    lake.look_again()  # listed files are committed by now, or never will be
    tokens = TokenEpochs()
    alive = lake.writer.others_alive()
    tables = TableScan(lake, declared, tree, walked, now, sought(), held, alive, progress, tokens)
    parts = [Scanned(findings=tuple(walked.findings)), *tables.run()]
    parts += _published(tree, walked, declared)
    left = tuple(still_there(walked, tree, [Holds.PASSING]))
    return merged([*parts, Scanned(findings=(*_shared(tokens), *left))])


def _shared(tokens: TokenEpochs) -> Iterator[Finding]:
    for column, one, other, count in tokens.shared():
        place = f"lake, {column} of epochs {one} and {other}"
        yield Finding((EPOCHS,), place, "tokens of one epoch are stored in another", count)


def _published(tree: Tree, walked: Walked, declared: Declared) -> Iterator[Scanned]:
    registry, schemas = declared.registry, declared.schemas
    words = vocabulary(registry, schemas, declared.catalogue)
    rule = manifest_rule(registry, schemas)
    for match in walked.of(Holds.PUBLICATION, Holds.MANIFEST):
        place = f"lake/{match.entry.path}"
        try:
            with tree.open(match.entry.path) as source:
                if match.place.holds is Holds.MANIFEST:
                    found = tuple(scan_manifest(place, source.read(), rule))
                else:
                    metric = registry.metrics[match.words["metric"]]
                    found = tuple(scan_publication(source, place, metric, words))
        except FAULTS:
            found = (Finding((READABLE, CELLS, GATED), place, "it cannot be read"),)
        yield Scanned(files=1, findings=found)
