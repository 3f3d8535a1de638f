"""The gateway. Import what you need from the modules; `run_server` and `create_app` load the web stack when called."""
