"""What to do where every answer of a system failed: a line for each kind of failure whose remedy is known."""

from __future__ import annotations

TRANSPORT_FAILURES = frozenset(
    {"auth", "not_found", "rate_limited", "overloaded", "timeout", "connection", "quota", "wrong_model", "call_failed"}
)
_LOCAL = {
    "truncated": "its answers are longer than student.max_new_tokens, or it has not learnt to end them: raise that, "
    "or train on more rows or for more student.epochs",
    "overlong": "the prompts are longer than student.max_length_tokens, or than its base can read: raise that, "
    "or shorten the prompts",
}
_ASKED = {
    "truncated": "its answers are longer than teacher.max_output_tokens: raise it",
    "auth": "check the key in the variable that teacher.api_key_env names",
    "not_found": "check teacher.model and teacher.base_url",
    "quota": "the account has no credit left",
}
_ASK_ANEW = "run again so that the calls are asked anew"
_FORM = frozenset({"empty", "unparseable", "schema_invalid", "unknown_label", "not_a_number"})


def find_remedy(system: str, kind: str) -> str:
    """Return what to do where all of a system's answers failed with this kind; empty where nobody can know."""
    is_local = system in ("student", "cascade") or system.startswith("channel:")
    remedy = (_LOCAL if is_local else _ASKED).get(kind, "")
    if remedy:
        return remedy
    if kind in TRANSPORT_FAILURES:
        return _ASK_ANEW
    if kind in _FORM:
        read = f"""read some with: distill inspect RUN evaluate --where "system == '{system}'\""""
        wanted = (
            "train on more rows or for more student.epochs"
            if is_local
            else "say the wanted form in task.system or task.user"
        )
        return f"{read}, then {wanted}"
    return ""
