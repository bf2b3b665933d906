"""Projects over HTTP: taken on, found by whatever names them, changed, archived."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_caller import SMALL, Caller, calling, repository


@pytest.fixture
def api(home: Path) -> Iterator[Caller]:
    with calling(home) as caller:
        yield caller


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "shop")


def test_a_repository_becomes_a_project(api: Caller, repo: Path) -> None:
    made = api.post("/projects", {"location": str(repo)}, 201)
    assert (made["name"], made["location"]) == ("shop", str(repo))
    assert api.get(f"/projects/{made['id']}") == made
    assert api.get("/projects")["items"] == [made]


def test_a_folder_of_a_repository_stands_for_all_of_it(api: Caller, repo: Path) -> None:
    (repo / "src").mkdir()
    assert api.post("/projects", {"location": str(repo / "src")}, 201)["location"] == str(repo)


def test_a_bare_repository_and_a_linked_worktree_are_repositories(
    api: Caller, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.git"
    for name in ("objects", "refs"):
        (bare / name).mkdir(parents=True)
    (bare / "HEAD").write_text("ref: refs/heads/main\n")
    assert api.post("/projects", {"location": str(bare)}, 201)["name"] == "bare"
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / ".git").write_text("gitdir: /elsewhere/.git/worktrees/linked\n")
    assert api.post("/projects", {"location": str(linked)}, 201)["name"] == "linked"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://git.example/team/shop.git", "shop"),
        ("ssh://git@git.example/shop", "shop"),
        ("git@git.example:team/shop.git", "shop"),
    ],
)
def test_a_url_becomes_a_project(api: Caller, url: str, name: str) -> None:
    made = api.post("/projects", {"location": url}, 201)
    assert (made["name"], made["location"]) == (name, url)


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("/there/is/nothing", "not_a_repository"),
        ("/" + "long" * 100, "not_a_repository"),
        ("~nobody-of-this-name/shop", "not_a_repository"),
        ("/srv/\ud800", "invalid_fields"),
        ("relative/path", "invalid_input"),
        ("ext::sh -c id", "invalid_location"),
        ("--upload-pack=id", "invalid_location"),
        ("ftp://git.example/shop", "invalid_location"),
        ("https://user:secret@git.example/shop", "invalid_location"),
        ("/tmp/a\nb", "invalid_location"),
    ],
)
def test_locations_that_are_refused(api: Caller, location: str, code: str) -> None:
    error = api.post("/projects", {"location": location}, 422)
    assert error["code"] == code
    assert "secret" not in error["message"]


def test_a_directory_that_is_no_repository_is_told_the_way_out(api: Caller, tmp_path: Path) -> None:
    error = api.post("/projects", {"location": str(tmp_path)}, 422)
    assert "git init" in error["message"]


def test_a_link_that_leads_to_itself_is_no_repository(api: Caller, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    assert api.post("/projects", {"location": str(link)}, 422)["code"] == "not_a_repository"


def test_a_repository_is_taken_on_once_and_a_name_given_once(
    api: Caller, repo: Path, tmp_path: Path
) -> None:
    made = api.post("/projects", {"location": str(repo), "name": "Shop"}, 201)
    error = api.post("/projects", {"location": str(repo)}, 409)
    assert error["details"]["project_id"] == made["id"]
    other = repository(tmp_path / "other")
    api.post("/projects", {"location": str(other), "name": "Shop"}, 409)


def test_name_and_settings_change_apart(api: Caller, repo: Path) -> None:
    id_ = api.post("/projects", {"location": str(repo), "settings": {"budget": {"usd": 1}}}, 201)[
        "id"
    ]
    renamed = api.send("PATCH", f"/projects/{id_}", {"name": "Store"}).get_json()["data"]
    assert (renamed["name"], renamed["settings"]) == ("Store", {"budget": {"usd": 1}})
    changed = api.send("PATCH", f"/projects/{id_}", {"settings": {}}).get_json()["data"]
    assert (changed["name"], changed["settings"]) == ("Store", {})
    assert api.send("PATCH", f"/projects/{id_}", {"location": "/"}).status_code == 422


def test_an_archived_project_is_listed_no_more_and_keeps_its_history(
    api: Caller, repo: Path
) -> None:
    execution = api.start(repo)
    id_ = execution["project_id"]
    assert api.send("DELETE", f"/projects/{id_}").status_code == 409
    api.post(f"/executions/{execution['id']}/cancel")
    assert api.send("DELETE", f"/projects/{id_}").get_json()["data"]["archived_at"]
    assert api.get("/projects")["items"] == []
    assert [each["id"] for each in api.get("/projects", archived=True)["items"]] == [id_]
    assert api.get(f"/executions/{execution['id']}")["status"] == "cancelled"
    order = {"template": SMALL, "project": id_}
    assert "is archived" in api.post("/executions", order, 409)["message"]
    assert api.post("/projects", {"location": str(repo)}, 201)["id"] == id_
    assert [each["id"] for each in api.get("/projects")["items"]] == [id_]


def test_a_project_is_meant_by_id_name_path_or_url(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["project_id"]
    for name in (id_, "shop", str(repo), str(repo / ".git" / "..")):
        found = api.get("/executions", project=name)["items"]
        assert [each["project_id"] for each in found] == [id_]
    error = api.get("/executions", 404, project="shopp")
    assert "`shop`" in error["message"]


def test_one_name_for_two_projects_asks_which(api: Caller, repo: Path, tmp_path: Path) -> None:
    api.start(repo)
    api.start(repository(tmp_path / "other" / "shop"))
    error = api.get("/executions", 409, project="shop")
    assert error["code"] == "ambiguous"


def test_pages_follow_each_other(api: Caller, tmp_path: Path) -> None:
    made = [
        api.post("/projects", {"location": str(repository(tmp_path / f"p{n}"))}, 201)["id"]
        for n in range(5)
    ]
    seen, cursor = [], None
    while True:
        page = api.get("/projects", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made
    assert api.get("/projects", 422, cursor="no cursor of ours")["code"] == "invalid_input"
    assert api.get("/projects", 422, limit=0)["code"] == "invalid_fields"
