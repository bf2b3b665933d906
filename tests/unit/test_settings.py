"""Settings: where values come from, what they imply, and what is said of bad ones."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from conductor_app.errors import InvalidSettings
from conductor_app.settings import Settings
from conductor_app.settings_review import problems, usable, warnings


def test_defaults_need_no_environment(home: Path) -> None:
    settings = Settings.load()
    assert settings.home == home
    assert settings.database_url == f"sqlite:///{home}/conductor.db"
    assert settings.port == 3000
    assert settings.host == "127.0.0.1"
    assert settings.tick_seconds == 5.0
    assert settings.auto_advance and settings.enable_orchestrator
    assert settings.uses_embedded_redis
    assert not list(problems(settings)) and not list(warnings(settings))


@pytest.mark.parametrize("name", ["DATABASE_URL", "CONDUCTOR_DATABASE_URL"])
@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_way_to_write_postgresql_means_psycopg2(
    monkeypatch: pytest.MonkeyPatch, home: Path, name: str, scheme: str
) -> None:
    monkeypatch.setenv(name, f"{scheme}://u:p@db/conductor")
    assert Settings.load().database_url == "postgresql+psycopg2://u:p@db/conductor"


def test_a_relative_database_file_is_the_same_for_every_process(
    monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = Settings.load(database_url="sqlite:///mine.db").database_url
    assert chosen == f"sqlite:///{tmp_path}/mine.db"
    assert Settings.load(database_url=chosen).database_url == chosen


def test_the_names_of_the_documents_are_read(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("ORCHESTRATION_INTERVAL", "250")
    monkeypatch.setenv("AUTO_ADVANCE", "false")
    monkeypatch.setenv("ENABLE_ORCHESTRATOR", "false")
    settings = Settings.load()
    assert settings.tick_seconds == 0.25
    assert not settings.auto_advance
    assert not settings.enable_orchestrator
    assert "ENABLE_ORCHESTRATOR" in next(warnings(settings))


def test_a_variable_that_is_nearly_a_setting_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONDUCTOR_DAYLY_USD", "CONDUCTOR_CLAUDE_BASE_URL", "CONDUCTOR_MINE"):
        monkeypatch.setenv(name, "3")
    assert list(warnings(Settings.load())) == [
        "CONDUCTOR_DAYLY_USD is no setting. Did you mean CONDUCTOR_DAILY_USD?"
    ]


def test_our_own_name_wins_over_the_documents_name(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("ORCHESTRATION_INTERVAL", "250")
    monkeypatch.setenv("CONDUCTOR_ORCHESTRATION_INTERVAL", "100")
    assert Settings.load().orchestration_interval == 100
    assert Settings.load(orchestration_interval=50).orchestration_interval == 50


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("CONDUCTOR_PORT", "")
    monkeypatch.setenv("REDIS_URL", "")
    assert Settings.load().port == 3000
    assert Settings.load().uses_embedded_redis


def test_settings_are_frozen(home: Path) -> None:
    with pytest.raises(ValidationError):
        Settings.load().port = 1


class TestBrokers:
    def test_the_embedded_one_is_a_private_socket_with_a_password(self, home: Path) -> None:
        settings = Settings.load()
        password = settings.redis_password()
        socket = home / "run" / "redis.sock"
        assert settings.celery_broker_url == f"redis+socket://:{password}@{socket}?virtual_host=0"
        assert settings.redis_client_url == f"unix://:{password}@{socket}?db=0"

    def test_one_redis_serves_both(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        monkeypatch.setenv("REDIS_URL", "redis://cache/1")
        settings = Settings.load()
        assert settings.celery_broker_url == settings.redis_client_url == "redis://cache/1"
        assert not settings.uses_embedded_redis

    def test_a_redis_broker_is_also_the_redis_server(self, home: Path) -> None:
        settings = Settings.load(broker_url="redis://cache/2")
        assert settings.redis_client_url == "redis://cache/2"
        assert not settings.uses_embedded_redis

    def test_rabbitmq_carries_messages_and_redis_the_rest(
        self, monkeypatch: pytest.MonkeyPatch, home: Path
    ) -> None:
        monkeypatch.setenv("RABBITMQ_URL", "amqp://rabbit//")
        monkeypatch.setenv("REDIS_URL", "redis://cache/0")
        settings = Settings.load()
        assert settings.celery_broker_url == "amqp://rabbit//"
        assert settings.redis_client_url == "redis://cache/0"

    def test_rabbitmq_alone_leaves_redis_embedded(self, home: Path) -> None:
        settings = Settings.load(broker_url="amqp://rabbit//")
        assert settings.celery_broker_url == "amqp://rabbit//"
        assert settings.uses_embedded_redis
        assert settings.redis_client_url.startswith("unix://")

    def test_a_socket_url_is_translated_for_each_library(self, home: Path) -> None:
        settings = Settings.load(redis_url="unix://:p@/run/r.sock?db=3")
        assert settings.redis_client_url == "unix://:p@/run/r.sock?db=3"
        assert settings.celery_broker_url == "redis+socket://:p@/run/r.sock?virtual_host=3"


class TestChildren:
    def test_a_child_sees_the_same_settings(
        self, monkeypatch: pytest.MonkeyPatch, home: Path
    ) -> None:
        parent = Settings.load(
            database_url="postgres://u:p@db/x",
            port=3456,
            auto_advance=False,
            lease_seconds=0.5,
            heartbeat_seconds=0.1,
            token="t",
            connector="replay",
            recordings="somewhere",
        )
        for name, value in parent.environment().items():
            monkeypatch.setenv(name, value)
        assert Settings.load() == parent

    def test_what_the_parent_overrode_stays_overridden(
        self, monkeypatch: pytest.MonkeyPatch, home: Path
    ) -> None:
        monkeypatch.setenv("RABBITMQ_URL", "amqp://elsewhere//")
        monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
        parent = Settings.load(broker_url="embedded", redis_url="embedded")
        for name, value in parent.environment().items():
            monkeypatch.setenv(name, value)
        assert Settings.load().celery_broker_url == parent.celery_broker_url
        assert Settings.load().uses_embedded_redis


class TestMistakes:
    def test_all_are_named_at_once(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        monkeypatch.setenv("CONDUCTOR_PORT", "http")
        monkeypatch.setenv("ORCHESTRATION_INTERVAL", "soon")
        with pytest.raises(InvalidSettings) as raised:
            Settings.load()
        assert "CONDUCTOR_PORT is 'http'" in raised.value.message
        assert "ORCHESTRATION_INTERVAL is 'soon'" in raised.value.message
        assert raised.value.exit_code == 2

    def test_an_unknown_keyword_is_one(self, home: Path) -> None:
        with pytest.raises(InvalidSettings, match="CONDUCTOR_PROT"):
            Settings.load(prot=3)

    @pytest.mark.parametrize(
        ("chosen", "words"),
        [
            ({"database_url": "mysql://u:secret@db/x"}, "mysql"),
            ({"broker_url": "sqs://u:secret@queue"}, "sqs"),
            ({"redis_url": "http://u:secret@cache"}, "http"),
            ({"database_url": "postgresql://u:secret@db:first/x"}, "no number"),
            ({"broker_url": "amqp://u:secret@mq:99999//"}, "no number"),
            ({"database_url": "sqlite:///:memory:"}, "in memory"),
            ({"lease_seconds": 5, "heartbeat_seconds": 4}, "CONDUCTOR_HEARTBEAT_SECONDS"),
            ({"host": "0.0.0.0"}, "CONDUCTOR_TOKEN"),
            ({"recordings": "/not/there"}, "CONDUCTOR_RECORDINGS"),
        ],
    )
    def test_a_problem_is_a_sentence_with_the_way_out(
        self, home: Path, chosen: dict[str, object], words: str
    ) -> None:
        (problem,) = problems(Settings.load(**chosen))
        assert words in problem
        assert "secret" not in problem
        with pytest.raises(InvalidSettings, match=words):
            usable(Settings.load(**chosen))

    def test_a_token_chosen_on_purpose_opens_other_addresses(self, home: Path) -> None:
        settings = Settings.load(host="0.0.0.0", token="chosen")
        assert not list(problems(settings))
        assert settings.api_token() == "chosen"
        assert "0.0.0.0" in next(warnings(settings))

    def test_secrets_stay_out_of_the_representation(self, home: Path) -> None:
        settings = Settings.load(
            database_url="postgresql://u:hidden1@db/x",
            broker_url="amqp://u:hidden2@rabbit//",
            token="hidden3",
            secret_key="hidden4",
        )
        assert "hidden" not in repr(settings)


class TestSecretFiles:
    def test_each_secret_is_made_once_and_is_private(self, home: Path) -> None:
        settings = Settings.load()
        for secret, file in (
            (settings.api_token, settings.places.api_token),
            (settings.redis_password, settings.places.redis_password),
            (settings.signing_key, settings.places.secret_key),
        ):
            assert secret() == secret()
            assert len(secret()) >= 32
            assert file.stat().st_mode & 0o777 == 0o600
        assert settings.api_token().encode() != settings.signing_key()

    def test_a_chosen_key_is_used_and_written_nowhere(self, home: Path) -> None:
        settings = Settings.load(secret_key="chosen")
        assert settings.signing_key() == b"chosen"
        assert not settings.places.secret_key.exists()


def test_a_connector_that_there_is_not_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("CONDUCTOR_CONNECTOR", "claud")
    with pytest.raises(InvalidSettings, match=r"CONDUCTOR_CONNECTOR.*Did you mean `claude`"):
        usable(Settings.load())
    monkeypatch.setenv("CONDUCTOR_CONNECTOR", "claude")
    assert usable(Settings.load()).default_connector == "claude"
