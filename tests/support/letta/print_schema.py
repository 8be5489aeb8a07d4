"""Prints Letta's database schema as SQL; run by Letta's own Python, for its wheel has no migrations."""

from __future__ import annotations

from letta.orm import Base
from sqlalchemy import create_mock_engine

BEFORE = "CREATE EXTENSION IF NOT EXISTS vector"
AFTER = (
    "CREATE SEQUENCE message_seq_id OWNED BY messages.sequence_id",
    "ALTER TABLE messages ALTER COLUMN sequence_id SET DEFAULT nextval('message_seq_id')",
    "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('from_orm')",
)
"""What the migrations do beyond the ORM's tables."""


def main() -> None:
    """Print one statement after the other."""

    def show(statement: object, *_: object, **__: object) -> None:
        sql = statement.compile(dialect=engine.dialect)  # type: ignore[attr-defined]  # SQLAlchemy gives DDL elements
        print(f"{str(sql).strip()};")

    engine = create_mock_engine("postgresql+pg8000://", show)
    print(f"{BEFORE};")
    Base.metadata.create_all(engine, checkfirst=False)
    for statement in AFTER:
        print(f"{statement};")


if __name__ == "__main__":
    main()
