"""Routes that are proposed hold words of a closed list alone, whatever the paths hold."""

from __future__ import annotations

import pytest

from pipeline.events.catalogue import Route
from pipeline.ops.proposal.routes import LoggedRequest, packaged_words, propose_routes, template_of
from pipeline.privacy.values.routes import path_segments

WORDS = packaged_words()
METHODS = ("GET", "POST")


def requests(path: str, count: int = 30, status: int | None = 200) -> list[LoggedRequest]:
    return [LoggedRequest("GET", path, status, f"192.0.2.{number}") for number in range(count)]


def proposed(*paths: str, **more: int | None) -> list[str]:
    seen = [one for path in paths for one in requests(path, **more)]  # type: ignore[arg-type]
    return [route.template for route in propose_routes(seen, WORDS, METHODS)]


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("/v1/users/1042/orders/8a1f?mail=x@example.com", "/v1/users/{user}/orders/{order}"),
        ("/api/v2/companies/acme", "/api/v2/companies/{company}"),
        ("/v1/auth/reset-password", "/v1/auth/reset-password"),
        ("/v1/getUser", None),
        ("/users/users/5", "/users/users/{user}"),
        ("/users/1/friends/2/users/3", "/users/{user}/friends/{friend}/users/{user_2}"),
        ("/robots.txt", "/robots.txt"),
        ("/status", "/status"),
        ("/v1/addresses/7", "/v1/addresses/{address}"),
        ("/alice", None),
        ("/v1/alice", None),
        ("/users/alice/bob", None),
        ("/v1//users", None),
        ("/v1/users/", None),
        ("/v1/%75sers/x", "/v1/users/{user}"),
    ],
)
def test_a_path_becomes_a_template_or_nothing(path: str, template: str | None) -> None:
    segments = path_segments(path)
    found = segments and template_of(segments, WORDS, ["reset-password"])
    assert found == template


CANARIES = (
    "canary",
    "jane.doe@example.com",
    "jane-doe",
    "JaneDoe",
    "4111111111111111",
    "5f3c2a10-9c4b-4d6e-8f01-23456789abcd",
    "eyJhbGciOiJIUzI1NiJ9",
    "+49301234567",
    "192.0.2.7",
    "v2.canary",
    "%63anary",
    "users:canary",
    "team-canary",
    "canary_report",
    "{canary}",
    "~canary",
    "ｃanary",
    "order.canary",
    "-users",
    "users.",
)


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("path", ["/{}", "/v1/{}", "/users/{}", "/users/{}/orders", "/a/{}/b/{}"])
def test_no_other_text_gets_into_a_template_however_common_it_is(canary: str, path: str) -> None:
    for template in proposed(path.format(canary, canary)):
        assert template in ("/users/{user}", "/users/{user}/orders")


def test_compound_words_are_taken_from_many_people_alone() -> None:
    assert proposed("/v1/order-items", count=30) == ["/v1/order-items"]
    assert proposed("/v1/order-items", count=4) == []
    alone = [LoggedRequest("GET", "/v1/order-items", 200, "one") for _ in range(50)]
    assert propose_routes(alone, WORDS, METHODS) == ()


def test_what_was_rarely_answered_is_left_out() -> None:
    assert proposed("/admin/config", status=404) == []
    assert proposed("/admin/config", count=2) == []
    assert proposed("/admin/config", status=None) == ["/admin/config"]


def test_a_route_has_a_method_of_the_catalogue() -> None:
    seen = [LoggedRequest(method, "/users", 200, None) for method in ["POST", "BREW"] * 5]
    seen += [LoggedRequest(None, "/users", 200, None), LoggedRequest("GET", None, 200, None)] * 5
    assert propose_routes(seen, WORDS, METHODS) == (Route("POST", "/users"),)


def test_the_words_are_no_names_of_people() -> None:
    names = """
    james john robert michael william david richard joseph thomas charles mark paul
    steven andrew george kevin brian ronald jason jeffrey ryan jacob gary eric jonathan larry
    justin scott brandon frank gregory raymond jack dennis jerry tyler aaron jose adam nathan
    henry peter kyle walter ethan jeremy keith roger terry sean austin arthur noah christian
    bryan jordan dylan bruce gabriel logan alan juan albert wayne randy grant dean max bill will
    rob bob art guy pat ray jay miles chase drew chance victor lance grace rose lily daisy iris
    ivy holly heather amber ruby pearl jade hope faith joy may june april august dawn eve
    summer autumn sky mary patricia jennifer linda elizabeth barbara susan jessica sarah karen
    lisa nancy betty sandra ashley kimberly emily donna michelle carol amanda melissa deborah
    smith jones brown davis wilson taylor moore jackson white harris martin thompson young king
    wright hill green baker hall rivera campbell mitchell carter cook page price banks parker
    cooper bailey bell ward gray fox hunter stone woods porter mason fisher wood knight love
    rich poor singh khan ali wang li chen kim lee nguyen
    """
    assert not (WORDS.words | WORDS.prefixes) & set(names.split())
