"""From settings to the lists of people and acts: opt-outs, requests, holds, receipts, budget.

Each list is opened by exactly one function, here: commands that open a list for themselves
disagree about which one the settings mean (the opt-out list is a topic as often as a file).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from pipeline.cli.frame.options import Invocation, now_utc
from pipeline.cli.wiring.opening import epochs_of, existing_keys, keys_opener, open_keystore
from pipeline.cli.wiring.state import state_places
from pipeline.cli.wiring.topics import list_access
from pipeline.errors import SettingsError
from pipeline.io.state_folder import HOLDS, LISTS, OPTOUTS, RECEIPTS, RELEASES, REQUESTS, stem_of
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.io.disk.append_log import AppendFile
    from pipeline.io.keys.installation import NotedList
    from pipeline.io.keys.keystore import Keystore
    from pipeline.io.rights.holds import Holds
    from pipeline.io.rights.optout_list import OptOutFile, OptOutList, OptOutSource
    from pipeline.io.rights.optout_topic import OptOutTopic
    from pipeline.io.rights.optout_topic_writer import OptOutTopicWriter
    from pipeline.io.rights.privacy_budget import ReleaseLedger
    from pipeline.io.rights.receipts import Receipts
    from pipeline.io.rights.request_queue import RequestQueue
    from pipeline.io.rights.request_topic import RequestService
    from pipeline.privacy.optout import OptOutState


def open_queue(settings: Settings) -> RequestQueue:
    """The queue of rights requests."""
    from pipeline.io.rights.request_queue import RequestQueue

    return RequestQueue(state_places(settings).requests, _register(settings, REQUESTS))


def open_receipts(settings: Settings) -> Receipts:
    """The chain of receipts."""
    from pipeline.io.rights.receipts import Receipts

    return Receipts(state_places(settings).receipts, _register(settings, RECEIPTS))


def open_holds(settings: Settings) -> Holds:
    """The legal holds."""
    from pipeline.io.rights.holds import Holds

    return Holds(state_places(settings).holds, _register(settings, HOLDS))


def open_budget(settings: Settings) -> ReleaseLedger:
    """The ledger of the privacy budget."""
    from pipeline.io.rights.privacy_budget import ReleaseLedger

    return ReleaseLedger(state_places(settings).releases, _register(settings, RELEASES))


def optout_source(settings: Settings, now: Callable[[], datetime]) -> Callable[[], OptOutSource]:
    """What opens the opt-out list to read it, also in another process.

    The topic's list if the settings name a topic, else the file of the state folder.
    """
    if settings.kafka.optout_topic is not None:
        return optout_topic(settings, now)
    return partial(_optout_file, settings, keys_opener(settings, now))


def read_optouts(call: Invocation) -> OptOutState:
    """The opt-out list as of now, for callers that only look.

    Raises OptOutPaused if its topic cannot be read, OptOutStale if its file cannot be trusted.
    """
    source = optout_source(call.settings, call.now)()
    try:
        return source.load()
    finally:
        source.close()


def optout_topic(settings: Settings, now: Callable[[], datetime]) -> partial[OptOutTopic]:
    """What opens the list of the topic that the settings name; it connects when it is loaded."""
    from pipeline.io.rights.optout_topic import OptOutTopic

    topic = settings.kafka.optout_topic
    if topic is None:
        raise SettingsError(
            "no opt-out topic is set",
            where="kafka.optout_topic",
            remedy='Write [kafka] optout_topic = "telemetry.optouts" in telemetry.toml',
        )
    stale_after = settings.privacy.optout_stale_after
    return partial(OptOutTopic, list_access(settings), topic, now, stale_after=stale_after)


def open_optout_writer(call: Invocation) -> OptOutTopicWriter:
    """The list of the topic, to change it."""
    from pipeline.io.rights.optout_topic_writer import OptOutTopicWriter

    topic = optout_topic(call.settings, call.now)()
    key = open_keystore(call.settings, call.now).permanent_key("optout")
    return OptOutTopicWriter(list_access(call.settings), topic, key)


def open_request_service(call: Invocation, *, accept_loss: bool) -> RequestService:
    """What reads the topic of rights requests, and writes the topic of opt-outs."""
    from pipeline.io.rights.request_topic import RequestService

    settings = call.settings
    return RequestService(
        list_access(settings),
        settings.kafka.requests_topic,
        optouts=open_optout_writer(call),
        queue=open_queue(settings),
        keys=open_keystore(settings, call.now),
        epochs=epochs_of(settings),
        accept_loss=accept_loss,
    )


@contextmanager
def optout_list(call: Invocation) -> Iterator[OptOutList]:
    """The opt-out list that the settings name, to look accounts up in it and to change it."""
    if call.settings.kafka.optout_topic is None:
        keys = keys_opener(call.settings, call.now)
        yield _optout_file(call.settings, keys)
        return
    with open_optout_writer(call) as writer:
        yield writer


def mark_old_lists(settings: Settings) -> None:
    """Give the lists of version 0.1 markers that tell whether they were cut or replaced."""
    from pipeline.io.disk.errors import state_faults

    state = settings.need_state()
    with state_faults("A list could not be marked", str(state)):
        for _, file in _files(settings):
            file.vouch_if_old()


def accept_lists(settings: Settings) -> Mapping[str, int]:
    """Take every list that does not fit its marker as it is; return how many lines each has.

    Not the receipts: a chain that is broken vouches for nothing, and stays broken.
    """
    from pipeline.io.disk.errors import state_faults
    from pipeline.io.disk.list_marker import FileGone

    accepted: dict[str, int] = {}
    with state_faults("A list could not be accepted", str(settings.need_state())):
        for name, file in _files(settings):
            try:
                file.read()
            except FileGone:
                if name != RECEIPTS:
                    accepted[name] = file.accept()
    return accepted


def _files(settings: Settings) -> Iterator[tuple[str, AppendFile]]:
    from pipeline.io.disk.append_log import AppendFile

    for name in LISTS:
        yield name, AppendFile(settings.need_state() / name, _register(settings, name))


def _register(settings: Settings, name: str) -> NotedList:
    from pipeline.io.keys.installation import NotedList

    return NotedList(partial(existing_keys, settings, now_utc), stem_of(name))


def _optout_file(settings: Settings, keys: partial[Keystore]) -> OptOutFile:
    from pipeline.io.rights.optout_list import OptOutFile

    key = keys().permanent_key("optout")
    return OptOutFile(state_places(settings).optouts, key, _register(settings, OPTOUTS))
