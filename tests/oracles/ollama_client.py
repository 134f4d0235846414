"""Ollama's own PyPI client against the fake, through every mode. Run by run.sh."""

import json
import os

import httpx
from ollama import Client, ResponseError

client = Client(host=os.environ["OLLAMA_HOST"], timeout=5)
SAID = "Hej på dig! You said “hi” — that is <fine> & good 🦙."
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather-get",
        "description": "The weather in a city",
        "parameters": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}},
    },
}


def ask(text="hi"):
    return [{"role": "user", "content": text}]


def stream(model, messages=None, **more):
    content, thinking, calls, last = "", "", [], None
    for last in client.chat(model=model, messages=messages or ask(), stream=True, **more):
        content += last.message.content or ""
        thinking += last.message.thinking or ""
        calls += last.message.tool_calls or []
    return content, thinking, calls, last


def refused(status, text, work):
    try:
        work()
    except ResponseError as error:
        assert error.status_code == status, error.status_code
        assert text in error.error, error.error
        return
    raise AssertionError("it wasn't refused")


def test_list():
    models = client.list().models
    assert [m.model for m in models][:2] == ["llama3.2:latest", "qwen3:latest"]
    assert models[0].details.parameter_size == "3.2B" and models[0].size > 0 and models[0].modified_at


def test_show():
    assert client.show("qwen3").capabilities == ["completion", "tools", "thinking"]
    assert client.show("llama3.2").modelinfo["llama.context_length"] == 131072
    refused(404, "'zzz' not found", lambda: client.show("zzz"))


def test_chat_whole():
    answer = client.chat(model="llama3.2", messages=ask())
    assert answer.message.content == SAID and answer.done and answer.done_reason == "stop"
    assert answer.prompt_eval_count > 0 and answer.eval_duration > 0


def test_chat_streamed():
    content, _, _, last = stream("llama3.2")
    assert content == SAID and last.done and last.eval_count == 14


def test_thinking():
    content, thinking, _, _ = stream("qwen3", think=True)
    assert thinking == "Okay, let me think about <that> & answer." and content == SAID
    assert stream("qwen3", think="low")[1] != ""
    assert stream("qwen3", think=False)[1] == ""


def test_tools_and_back():
    messages = ask("what's the weather in Oslo?")
    first = client.chat(model="llama3.2", messages=messages, tools=[WEATHER])
    call = first.message.tool_calls[0]
    assert call.function.name == "weather-get" and call.function.arguments == {"city": "Oslo"}
    result = {"role": "tool", "tool_name": "weather-get", "content": "3 °C"}
    second = client.chat(model="llama3.2", messages=[*messages, first.message, result], tools=[WEATHER])
    assert second.message.content == "weather-get says: 3 °C"


def test_tools_in_done():
    assert len(stream("fake-tools-in-done", tools=[WEATHER])[2]) == 1
    assert len(stream("fake-tools", tools=[WEATHER])[2]) == 1


def test_content_in_done():
    assert stream("fake-content-in-done")[0] == SAID


def test_split():
    assert stream("fake-split")[0] == SAID


def test_slow():
    assert stream("fake-slow")[0] == SAID


def test_busy_twice_then_well():
    busy = "server busy, please try again.  maximum pending requests exceeded"
    refused(503, busy, lambda: stream("fake-busy"))
    refused(503, busy, lambda: stream("fake-busy"))
    assert stream("fake-busy")[0] == SAID


def test_refusals():
    refused(503, "server busy", lambda: stream("fake-full"))
    refused(500, "exit status 2", lambda: stream("fake-crash"))
    refused(401, "unauthorized", lambda: stream("fake-unauthorized"))
    refused(400, "context size", lambda: stream("fake-context-full"))
    refused(500, "<html>", lambda: stream("fake-bad-gateway"))
    refused(404, "'zzz' not found", lambda: stream("zzz"))
    refused(400, "does not support tools", lambda: stream("tinyllama", tools=[WEATHER]))
    refused(400, "does not support thinking", lambda: stream("llama3.2", think=True))


def test_error_lines_under_200():
    for name in ("fake-error-mid-stream", "fake-error-first"):
        try:
            stream(name)
        except ResponseError as error:
            assert "an error was encountered" in error.error
        else:
            raise AssertionError(name)


def test_cut_ends_without_done():
    content, _, _, last = stream("fake-cut")
    assert content == "Hej på dig!" and not last.done


def test_reset_breaks():
    try:
        stream("fake-reset")
    except httpx.RemoteProtocolError:
        return
    raise AssertionError("it didn't break")


def test_hang_and_stall_time_out():
    impatient = Client(host=os.environ["OLLAMA_HOST"], timeout=0.3)
    for name in ("fake-hang", "fake-stall"):
        try:
            for _ in impatient.chat(model=name, messages=ask(), stream=True):
                pass
        except httpx.ReadTimeout:
            continue
        raise AssertionError(f"{name} didn't time out")


def test_flood():
    assert len(stream("fake-flood")[0]) == 4000


def test_what_is_not_ollama_brings_no_answer():
    for name, error in (
        ("fake-html", json.JSONDecodeError),
        ("fake-garbage", json.JSONDecodeError),
        ("fake-redirect", httpx.ConnectError),
    ):
        try:
            stream(name)
        except error:
            continue
        raise AssertionError(name)


def test_format():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    answer = client.chat(model="llama3.2", messages=ask(), format=schema)
    assert isinstance(json.loads(answer.message.content)["n"], int)
    json.loads(client.chat(model="llama3.2", messages=ask(), format="json").message.content)


def test_generate():
    assert client.generate(model="llama3.2", prompt="why").response == "You asked: why"
    assert "".join(p.response for p in client.generate(model="llama3.2", prompt="why", stream=True)) == "You asked: why"


def test_load_ps_unload():
    loaded = client.chat(model="qwen3", messages=[], options={"num_ctx": 8192})
    assert loaded.done_reason == "load"
    assert [m.context_length for m in client.ps().models if m.model == "qwen3:latest"] == [8192]
    assert client.chat(model="qwen3", messages=[], keep_alive=0).done_reason == "unload"
    assert "qwen3:latest" not in [m.model for m in client.ps().models]


def test_embed():
    assert len(client.embed(model="all-minilm", input=["a", "b"]).embeddings) == 2
    refused(400, "does not support embeddings", lambda: client.embed(model="llama3.2", input="a"))


def test_pull_copy_delete():
    seen = list(client.pull("gemma3", stream=True))
    assert seen[-1].status == "success"
    assert seen[1].completed is None and seen[1].total > 0
    assert client.copy("gemma3", "mine").status == "success"
    assert client.delete("mine").status == "success"
    assert client.delete("gemma3").status == "success"
    refused(404, "not found", lambda: client.delete("gemma3"))


def test_pull_missing():
    try:
        list(client.pull("fake-missing", stream=True))
    except ResponseError as error:
        assert "file does not exist" in error.error
    else:
        raise AssertionError("it was there")


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                print(f"ok {name[5:]}")
            except Exception as error:  # noqa: BLE001 a report line is wanted for any of them
                print(f"FAIL {name[5:]}: {type(error).__name__}: {str(error).splitlines()[:1]}")
    print("finished")
