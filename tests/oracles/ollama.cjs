// Ollama's own npm client against the fake, through every mode. Run by run.sh.
const assert = require("node:assert/strict");
const { Ollama } = require("ollama");

const client = new Ollama({ host: process.env.OLLAMA_HOST });
const ask = (content) => [{ role: "user", content }];
const weather = {
  type: "function",
  function: {
    name: "weather-get",
    description: "The weather in a city",
    parameters: { type: "object", required: ["city"], properties: { city: { type: "string" } } },
  },
};
const SAID = "Hej på dig! You said “hi” — that is <fine> & good 🦙.";

async function stream(request) {
  const heard = { content: "", thinking: "", calls: [], parts: 0, done: null };
  for await (const part of await client.chat({ ...request, stream: true })) {
    heard.parts += 1;
    heard.content += part.message.content;
    heard.thinking += part.message.thinking ?? "";
    heard.calls.push(...(part.message.tool_calls ?? []));
    if (part.done) heard.done = part;
  }
  return heard;
}
const mode = (name, more = {}) => stream({ model: `fake-${name}`, messages: ask("hi"), ...more });

const tests = {
  "version": async () => assert.match((await client.version()).version, /^0\./),
  "list": async () => {
    const { models } = await client.list();
    assert.equal(models[0].name, "llama3.2:latest");
    assert.ok(new Date(models[0].modified_at) > 0);
  },
  "show": async () => {
    const shown = await client.show({ model: "qwen3" });
    assert.deepEqual(shown.capabilities, ["completion", "tools", "thinking"]);
  },
  "show, unknown": async () =>
    assert.rejects(client.show({ model: "zzz" }), (e) => e.status_code === 404 && /'zzz' not found/.test(e.message)),
  "chat, whole": async () => {
    const answer = await client.chat({ model: "llama3.2", messages: ask("hi") });
    assert.equal(answer.message.content, SAID);
    assert.equal(answer.done_reason, "stop");
  },
  "chat, streamed": async () => {
    const heard = await stream({ model: "llama3.2", messages: ask("hi") });
    assert.equal(heard.content, SAID);
    assert.equal(heard.parts, 14);
    assert.ok(heard.done.eval_duration > 0);
  },
  "thinking": async () => {
    const heard = await stream({ model: "qwen3", messages: ask("hi"), think: true });
    assert.equal(heard.thinking, "Okay, let me think about <that> & answer.");
    assert.equal(heard.content, SAID);
    assert.equal((await stream({ model: "qwen3", messages: ask("hi"), think: false })).thinking, "");
  },
  "tools, and back": async () => {
    const messages = ask("what's the weather in Oslo?");
    const first = await client.chat({ model: "llama3.2", messages, tools: [weather] });
    assert.deepEqual(first.message.tool_calls[0].function.arguments, { city: "Oslo" });
    const result = { role: "tool", tool_name: "weather-get", content: "3 °C" };
    const second = await client.chat({ model: "llama3.2", messages: [...messages, first.message, result], tools: [weather] });
    assert.equal(second.message.content, "weather-get says: 3 °C");
  },
  "tools-in-done": async () => assert.equal((await mode("tools-in-done", { tools: [weather] })).calls.length, 1),
  "tools": async () => assert.equal((await mode("tools", { tools: [weather] })).calls.length, 1),
  "content-in-done": async () => assert.equal((await mode("content-in-done")).content, SAID),
  "split": async () => assert.equal((await mode("split")).content, SAID),
  "slow": async () => assert.equal((await mode("slow")).content, SAID),
  "busy twice, then well": async () => {
    await assert.rejects(mode("busy"), (e) => e.status_code === 503 && /please try again\.  maximum/.test(e.message));
    await assert.rejects(mode("busy"));
    assert.equal((await mode("busy")).content, SAID);
  },
  "full": async () => assert.rejects(mode("full"), { status_code: 503 }),
  "crash": async () => assert.rejects(mode("crash"), (e) => e.status_code === 500 && /exit status 2/.test(e.message)),
  "unauthorized": async () => assert.rejects(mode("unauthorized"), { status_code: 401 }),
  "context-full": async () => assert.rejects(mode("context-full"), { status_code: 400 }),
  "bad-gateway": async () => assert.rejects(mode("bad-gateway"), { status_code: 500 }),
  "error-mid-stream": async () => assert.rejects(mode("error-mid-stream"), /an error was encountered/),
  "error-first": async () => assert.rejects(mode("error-first"), /an error was encountered/),
  "cut": async () => assert.rejects(mode("cut"), /done/i),
  "reset": async () => assert.rejects(mode("reset")),
  // Not Ollama's ways, but a client must be able to tell: no answer comes of them.
  "html": async () => assert.rejects(mode("html"), /done/i),
  "garbage": async () => assert.rejects(mode("garbage"), /done/i),
  "redirect": async () => assert.rejects(mode("redirect"), /fetch failed/),
  "stall, then abort": async () => {
    const answer = await client.chat({ model: "fake-stall", messages: ask("hi"), stream: true });
    let content = "";
    await assert.rejects(async () => {
      for await (const part of answer) {
        content += part.message.content;
        if (content === "Hej på dig!") answer.abort();
      }
    }, { name: "AbortError" });
  },
  "flood": async () => assert.equal((await mode("flood")).content.length, 4000),
  "no tools": async () =>
    assert.rejects(client.chat({ model: "tinyllama", messages: ask("hi"), tools: [weather] }), /does not support tools/),
  "no thinking": async () =>
    assert.rejects(client.chat({ model: "llama3.2", messages: ask("hi"), think: true }), /does not support thinking/),
  "format": async () => {
    const format = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    const answer = await client.chat({ model: "llama3.2", messages: ask("hi"), format });
    assert.equal(typeof JSON.parse(answer.message.content).n, "number");
  },
  "generate": async () => {
    assert.equal((await client.generate({ model: "llama3.2", prompt: "why" })).response, "You asked: why");
    let text = "";
    for await (const part of await client.generate({ model: "llama3.2", prompt: "why", stream: true })) text += part.response;
    assert.equal(text, "You asked: why");
  },
  "ps after load and unload": async () => {
    await client.chat({ model: "qwen3", messages: [], options: { num_ctx: 8192 } });
    const find = async () => (await client.ps()).models.find((model) => model.name === "qwen3:latest");
    assert.equal((await find()).context_length, 8192);
    assert.equal((await client.chat({ model: "qwen3", messages: [], keep_alive: 0 })).done_reason, "unload");
    assert.equal(await find(), undefined);
  },
  "embed": async () => {
    assert.equal((await client.embed({ model: "all-minilm", input: ["a", "b"] })).embeddings.length, 2);
    assert.equal((await client.embed({ model: "all-minilm", input: "a" })).embeddings.length, 1);
  },
  "pull, copy and delete": async () => {
    const seen = [];
    for await (const part of await client.pull({ model: "gemma3", stream: true })) seen.push(part);
    assert.equal(seen.at(-1).status, "success");
    assert.ok(seen.some((part) => part.completed === part.total && part.total > 0));
    await client.copy({ source: "gemma3", destination: "mine" });
    await client.delete({ model: "mine" });
    await client.delete({ model: "gemma3" });
    await assert.rejects(client.delete({ model: "gemma3" }), { status_code: 404 });
  },
  "pull, missing": async () =>
    assert.rejects(async () => {
      for await (const _ of await client.pull({ model: "fake-missing", stream: true }));
    }, /file does not exist/),
};

(async () => {
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`FAIL ${name}: ${String(error.message ?? error).split("\n")[0]}`);
    }
  }
  console.log("finished");
})();
