//! Floor 1: from tokens and moments to money and latencies.
