from __future__ import annotations

import pytest
from fakes.candidates import judge_answer
from hypothesis import given
from hypothesis import strategies as st

from distill.filters.pii_patterns import find_pii, is_card, is_iban

KEY = "sk-" + "a1B2" * 8


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("my card 4111 1111 1111 1111 was lost", "card"),
        ("amex 378282246310005", "card"),
        ("pay to DE89 3704 0044 0532 0130 00 please", "iban"),
        ("GB82WEST12345698765432", "iban"),
        ("write to jo.doe+x@mail.example.org.", "email"),
        ("call +49 30 901820 now", "phone"),
        ("call (555) 123-4567", "phone"),
        (f"token {KEY}", "key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "key"),
    ],
)
def test_personal_data_is_found(text: str, kind: str) -> None:
    verdict = judge_answer("pii", text)
    assert verdict.reason == f"pii_{kind}"
    assert not any(word in verdict.evidence for word in text.split() if any(char.isdigit() for char in word))


@pytest.mark.parametrize(
    "text",
    [
        "order 4111 1111 1111 1112",
        "DE88 3704 0044 0532 0130 00",
        "revenue of 65,984 millions in 2022",
        "on 2024-05-15 at 10:30:00",
        "the @ sign and a+b",
        "sk-short",
        "room 123-456",
        "3.141592653589793",
    ],
)
def test_numbers_without_a_right_checksum_or_form_stay(text: str) -> None:
    assert list(find_pii(text)) == []


def test_only_the_kinds_and_columns_asked_for_count() -> None:
    assert list(find_pii("a@b.org", ("card", "iban"))) == []


@given(st.text("0123456789", min_size=12, max_size=18).filter(lambda text: len(set(text)) > 1))
def test_exactly_one_check_digit_makes_a_card_number(body: str) -> None:
    assert sum(is_card(body + str(digit)) for digit in range(10)) == 1


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=11, max_size=30), st.integers(0, 9), st.integers(1, 9))
def test_a_changed_digit_breaks_an_iban(body: str, digit: int, step: int) -> None:
    def close(account: str) -> str:
        number = int("".join(str(int(char, 36)) for char in account + "DE00"))
        return f"DE{98 - number % 97:02}{account}"

    good = close(f"{digit}{body[1:]}")
    assert is_iban(good)
    assert not is_iban(f"{good[:4]}{(digit + step) % 10}{good[5:]}")
