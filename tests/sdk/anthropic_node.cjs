// The official Anthropic client for Node, against tollgate: a model of Anthropic's dialect and one of OpenAI's.
// TOLLGATE_URL is the gateway's origin and TOLLGATE_KEY its master key.
'use strict';

const assert = require('node:assert/strict');
const Anthropic = require('@anthropic-ai/sdk');

const client = new Anthropic.Anthropic({
  apiKey: process.env.TOLLGATE_KEY,
  baseURL: process.env.TOLLGATE_URL,
  maxRetries: 0,
  timeout: 20_000,
});
const SAID = 'Every call pays its toll and goes on.';
const messages = [{ role: 'user', content: 'Say something in a few words.' }];
const tools = [{ name: 'get_weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } }];
const ask = (model, more) => client.messages.create({ model, max_tokens: 64, messages, ...more });

const forEach = {
  async 'a message'(name) {
    const answer = await ask(name, { system: 'Be brief.' });
    assert.equal(answer.content[0].text, SAID);
    assert.equal(answer.stop_reason, 'end_turn');
    assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [8, 8]);
  },
  async 'a stream'(name) {
    const final = await client.messages.stream({ model: name, max_tokens: 64, messages }).finalMessage();
    assert.equal(final.content[0].text, SAID);
    assert.equal(final.usage.output_tokens, 8);
  },
  async 'a stream with tools'(name) {
    const final = await client.messages
      .stream({ model: `${name}-tools`, max_tokens: 64, messages, tools })
      .finalMessage();
    assert.equal(final.stop_reason, 'tool_use');
    assert.deepEqual(final.content[0].input, { city: 'Paris', unit: 'celsius' });
  },
  async 'counted tokens'(name) {
    assert.ok((await client.messages.countTokens({ model: name, messages })).input_tokens > 0);
  },
  async 'errors of their class'(name) {
    await assert.rejects(ask(`${name}-429`), Anthropic.RateLimitError);
    await assert.rejects(ask(`${name}-500`), Anthropic.InternalServerError);
  },
  async 'a cut stream'(name) {
    const stream = client.messages.stream({ model: `${name}-cut=3`, max_tokens: 64, messages });
    await assert.rejects(stream.finalMessage());
  },
};

(async () => {
  let passed = 0;
  let failed = 0;
  for (const [what, test] of Object.entries(forEach)) {
    for (const name of ['sim', 'claude']) {
      try {
        await test(name);
        passed += 1;
      } catch (error) {
        failed += 1;
        console.log(`anthropic-node: ${what} of ${name} FAILED`);
        console.log(error);
      }
    }
  }
  console.log(`anthropic-node: ${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
})();
