"""The rehearsal teacher: an OpenAI-compatible server that answers from recorded answers. It costs nothing."""
