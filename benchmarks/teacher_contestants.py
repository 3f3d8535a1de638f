"""The clients that bench_teacher.py measures, each run by the Python of its own environment, so imported where it runs.

`python benchmarks/teacher_contestants.py NAME URL COUNT` buys a few rows first, so that imports and first connections
do not count, then COUNT rows by the clock, and prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

CONCURRENCY = 64
KEY = "EMPTY"
SYSTEM = "Route it."
MARKS = (5_000, 25_000, 50_000, 100_000)


def text(i: int) -> str:
    return f"row {i}: my parcel has not come yet, where is it?"


def body(i: int) -> dict:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text(i)}]
    return {"model": "m", "messages": messages, "max_tokens": 8, "temperature": 0.0}


async def pump(count: int, ask) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for i in numbers:
            await ask(i)

    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


async def run_aiohttp(url: str, count: int) -> None:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:

        async def ask(i: int) -> None:
            async with session.post(f"{url}/chat/completions", json=body(i)) as response:
                json.loads(await response.read())

        await pump(count, ask)


async def run_openai(url: str, count: int, *, aio: bool) -> None:
    import openai

    http = openai.DefaultAioHttpClient() if aio else None
    async with openai.AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0, http_client=http) as client:

        async def ask(i: int) -> None:
            await client.chat.completions.create(**body(i))

        await pump(count, ask)


async def run_litellm(url: str, count: int) -> None:
    import litellm

    litellm.suppress_debug_info = True

    async def ask(i: int) -> None:
        asked = body(i) | {"model": "openai/m"}
        await litellm.acompletion(**asked, api_base=url, api_key=KEY, num_retries=0)

    await pump(count, ask)


def run_distill(url: str, count: int) -> None:
    from distill.records.completion import Message
    from distill.records.runtime import RuntimeConfig
    from distill.teachers import Order, TeacherConfig, build_requests, open_teacher

    config = TeacherConfig.model_validate(
        {"model": "m", "base_url": url, "max_output_tokens": 8, "price": {"input": 1, "output": 4},
         "limits": {"requests_per_minute": 10**7, "tokens_per_minute": 10**10}}
    )  # fmt: skip

    def orders():
        for i in range(count):
            messages = (Message("system", SYSTEM), Message("user", text(i)))
            yield Order(str(i), 0, build_requests([messages], config)[0])

    answered = 0

    def sink(_: int, completion) -> None:
        nonlocal answered
        answered += completion.error_kind is None
        if answered in MARKS:
            RSS_MB[answered] = rss_mb()

    with tempfile.TemporaryDirectory() as state:
        runtime = RuntimeConfig(state_dir=Path(state), concurrency=CONCURRENCY)
        with open_teacher(config, runtime) as teacher:
            teacher.pour(orders(), sink)
    assert answered == count, answered


def run_curator(url: str, count: int) -> None:
    import litellm  # its package has the tokenizer that curator would fetch

    words = str(Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers")
    os.environ |= {"TELEMETRY_ENABLED": "false", "CURATOR_DISABLE_RICH_DISPLAY": "1", "OPENAI_API_KEY": KEY,
                   "TIKTOKEN_CACHE_DIR": words}  # fmt: skip
    from bespokelabs import curator

    class Router(curator.LLM):
        def prompt(self, row: dict) -> list[dict]:
            return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": row["text"]}]

        def parse(self, row: dict, response: str) -> dict:
            return row | {"answer": response}

    params = {"base_url": url, "api_key": KEY, "max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**9,
              "max_concurrent_requests": CONCURRENCY, "max_retries": 0}  # fmt: skip
    router = Router(model_name="gpt-4o-mini", backend="openai", backend_params=params,
                    generation_params={"max_tokens": 8, "temperature": 0.0})  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        done = router([{"text": text(i)} for i in range(count)], working_dir=folder)
        assert len(getattr(done, "dataset", done)) == count


def run_data_designer(url: str, count: int) -> None:
    os.environ |= {"NEMO_TELEMETRY_ENABLED": "false"}
    import data_designer.config as dd
    import pandas as pd
    from data_designer.interface import DataDesigner

    with tempfile.TemporaryDirectory() as folder:
        provider = dd.ModelProvider(name="mock", endpoint=url, api_key=KEY)
        limits = dd.ChatCompletionInferenceParams(max_parallel_requests=CONCURRENCY, max_tokens=8, temperature=0.0)
        model = dd.ModelConfig(
            alias="m", model="m", provider="mock", inference_parameters=limits, skip_health_check=True
        )
        builder = dd.DataDesignerConfigBuilder(model_configs=[model])
        seed = pd.DataFrame({"text": [text(i) for i in range(count)]})
        builder.with_seed_dataset(dd.DataFrameSeedSource(df=seed))
        builder.add_column(dd.LLMTextColumnConfig(name="answer", prompt="{{ text }}", system_prompt=SYSTEM,
                                                  model_alias="m"))  # fmt: skip
        designer = DataDesigner(artifact_path=folder, model_providers=[provider])
        assert len(designer.create(builder, num_records=count).load_dataset()) == count


def run_distilabel(url: str, count: int) -> None:
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    rows = [{"instruction": text(i)} for i in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        with Pipeline(cache_dir=folder) as pipeline:
            load = LoadDataFromDicts(data=rows, batch_size=1000)
            llm = OpenAILLM(model="m", base_url=url, api_key=KEY, generation_kwargs={"max_new_tokens": 8})
            load >> TextGeneration(llm=llm, system_prompt=SYSTEM, input_batch_size=CONCURRENCY)
        done = pipeline.run(use_cache=False)
        assert len(done["default"]["train"]) == count


RUNS = {
    "aiohttp": lambda url, n: asyncio.run(run_aiohttp(url, n)),
    "distill": run_distill,
    "openai-aiohttp": lambda url, n: asyncio.run(run_openai(url, n, aio=True)),
    "openai": lambda url, n: asyncio.run(run_openai(url, n, aio=False)),
    "litellm": lambda url, n: asyncio.run(run_litellm(url, n)),
    "curator": run_curator,
    "data-designer": run_data_designer,
    "distilabel": run_distilabel,
}
RSS_MB: dict[int, float] = {}


def rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_s() -> float:
    """CPU of this process and of its ended children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main(name: str, url: str, count: int) -> None:
    run = RUNS[name]
    with contextlib.redirect_stdout(sys.stderr):
        run(url, 64)
        cpu, begun = cpu_s(), time.monotonic()
        run(url, count)
        seconds = time.monotonic() - begun
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    said = {"rows_per_s": count / seconds, "cpu_ms": (cpu_s() - cpu) * 1000 / count, "peak_mb": peak, "rss_mb": RSS_MB}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
