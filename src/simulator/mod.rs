//! Floor 2: an OpenAI-compatible upstream with faults, for `demo`, the tests and `bench`. `serve` never starts it.
