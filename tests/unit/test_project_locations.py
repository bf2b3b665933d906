"""Where a project may lie: what is a path, what is a URL, what git must never be given."""

import pytest

from conductor_app.domain.location import InvalidLocation, is_url, name_of


@pytest.mark.parametrize(
    "location",
    [
        "https://git.example/a.git",
        "HTTPS://git.example/a",
        "ssh://git@git.example:22/a",
        "git@git.example:team/a.git",
        "file:///srv/a.git",
        "https://user@git.example/a",
    ],
)
def test_urls(location: str) -> None:
    assert is_url(location)


@pytest.mark.parametrize("location", ["/srv/a", "a", "./a", "C:/a", "~/a", "/srv/a b/ä"])
def test_paths(location: str) -> None:
    assert not is_url(location)


@pytest.mark.parametrize(
    "location",
    [
        "",
        "-a",
        "--upload-pack=id",
        "ext::sh",
        "fd::17",
        "a::b",
        "ftp://x/y",
        "javascript://x",
        "a\0b",
        "a\nb",
    ],
)
def test_what_is_neither(location: str) -> None:
    with pytest.raises(InvalidLocation):
        is_url(location)


@pytest.mark.parametrize("location", ["https://a:b@x/y", "ssh://git:pw@x/y", "http://:pw@x/y"])
def test_a_password_in_a_url_is_refused_and_not_repeated(location: str) -> None:
    with pytest.raises(InvalidLocation) as refused:
        is_url(location)
    assert location not in refused.value.message


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("/srv/shop", "shop"),
        ("/srv/shop/", "shop"),
        ("/srv/shop.git", "shop"),
        ("git@x:shop.git", "shop"),
        ("https://x/team/shop", "shop"),
        ("/", "/"),
    ],
)
def test_the_name_is_the_last_part(location: str, name: str) -> None:
    assert name_of(location) == name
