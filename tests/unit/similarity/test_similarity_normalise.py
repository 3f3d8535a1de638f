from hypothesis import given
from hypothesis import strategies as st

from distill.similarity import normalise, split_words


def test_case_width_space_and_punctuation_do_not_matter():
    assert normalise("  Where's my\tＣＡＲＤ?! ") == normalise("where s my card")


def test_numbers_are_kept_as_they_are():
    assert normalise("send 1.50") != normalise("send 150")
    assert normalise("send 1.50") != normalise("send 1 50")
    assert normalise("pay £5") != normalise("pay $5")


def test_texts_of_punctuation_alone_stay_apart():
    assert normalise(" ? ") == "?"
    assert normalise("?") != normalise("!")


def test_vowel_signs_are_letters_and_ideographs_are_words():
    assert normalise("मेरा कार्ड") == "मेरा कार्ड"
    assert split_words("我的卡") == ["我", "的", "卡"]


@given(st.text())
def test_normal_form_is_stable(text):
    once = normalise(text)
    assert normalise(once) == once
