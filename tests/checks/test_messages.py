"""Every message of the rules as text. After an intended change, update it with `python -m tests.checks.test_messages`.

The messages distinguish the cases of one rule, and quote addresses, names and counts.
"""

from __future__ import annotations

from pathlib import Path

from tests.checks.test_rules import ROWS, findings_of

MESSAGES = Path(__file__).parent / "messages.txt"


def messages() -> str:
    findings = (finding for row in ROWS for finding in findings_of(row.code, row.fires()))
    return "".join(f"{finding.code} {finding.field}: {finding.message}\n" for finding in findings)


def test_the_messages_of_all_cases_are_unchanged() -> None:
    assert MESSAGES.read_text("utf-8") == messages()


if __name__ == "__main__":
    MESSAGES.write_text(messages(), "utf-8")
