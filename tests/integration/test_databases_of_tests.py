"""The test suite's own databases are real, empty and apart."""

import sqlalchemy


def test_each_test_gets_an_empty_database(empty_database_url: str) -> None:
    engine = sqlalchemy.create_engine(empty_database_url)
    assert sqlalchemy.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE mine (n INTEGER)"))
    engine.dispose()


def test_nothing_of_the_last_test_is_left(empty_database_url: str) -> None:
    engine = sqlalchemy.create_engine(empty_database_url)
    assert sqlalchemy.inspect(engine).get_table_names() == []
    engine.dispose()
