"""The official Cohere client for Python asks for a ranking, by tollgate in front of its simulator; see openai_python.py."""

import os
import sys

import cohere

URL, KEY = os.environ["TOLLGATE_URL"], os.environ["TOLLGATE_KEY"]
DOCUMENTS = ["a toll house", "a bridge", "a fox"]


def main():
    for kind in [cohere.ClientV2, cohere.Client]:
        client = kind(api_key=KEY, base_url=URL)
        for model in ["rerank", "sim"]:
            answer = client.rerank(model=model, query="who pays?", documents=DOCUMENTS, top_n=2)
            assert [result.index for result in answer.results] == [0, 1], answer
            assert 0 < answer.results[0].relevance_score <= 1
        try:
            client.rerank(model="no-such-model", query="q", documents=DOCUMENTS)
        except cohere.core.api_error.ApiError as error:
            assert error.status_code == 400, error
        else:
            raise AssertionError("no error")
    print("cohere-python: rerank passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
