"""A small OpenAI-compatible server: a Qwen2 with random weights that reads and writes bytes, by transformers."""

from __future__ import annotations

import json

import torch
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from transformers import Qwen2Config, Qwen2ForCausalLM

WORDS = 12  # bytes of an answer


def model() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    config = Qwen2Config(vocab_size=256, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                         num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=4096,
                         bos_token_id=None, eos_token_id=None, pad_token_id=0)
    return Qwen2ForCausalLM(config).eval()


def template(messages: list[dict]) -> str:
    """Qwen2's: each message between its marks."""
    return "".join(f"<|im_start|>{each['role']}\n{each['content']}<|im_end|>\n" for each in messages) + \
        "<|im_start|>assistant\n"


class Language:
    """`app` answers; `requests` is every body that came, and `headers` with which (`raw`: as bytes) and
    `queries`."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.headers: list[dict] = []
        self.raw: list[list[tuple[bytes, bytes]]] = []
        self.queries: list[str] = []
        self._model = model()
        self.app = FastAPI()
        self.app.post("/v1/chat/completions")(self._chat)
        self.app.get("/v1/models")(self._models)

    def says(self, messages: list[dict]) -> str:
        """Greedy, and so the same for the same messages."""
        ids = torch.tensor([list(template(messages).encode())])
        with torch.inference_mode():
            out = self._model.generate(ids, max_new_tokens=WORDS, do_sample=False)
        return "".join(chr(0x100 + int(token)) for token in out[0, ids.shape[1]:])  # a letter for each byte

    async def _models(self) -> dict:
        return {"object": "list", "data": [{"id": "tiny-qwen2", "object": "model", "created": 0, "owned_by": "test"}]}

    async def _chat(self, request: Request):
        content = await request.body()
        self.requests.append(content)
        self.headers.append(dict(request.headers))
        self.raw.append(request.headers.raw)
        self.queries.append(request.scope["query_string"].decode())
        requests = json.loads(content)
        if requests.get("model") != "tiny-qwen2":
            error = {"message": "no such model", "type": "invalid_request_error", "param": "model", "code": "unknown"}
            return JSONResponse({"error": error}, 404)
        text = self.says(requests["messages"])
        about = {"id": "chat-1", "created": 1, "model": "tiny-qwen2"}
        if not requests.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "length"}
            return {**about, "object": "chat.completion", "choices": [choice]}

        async def parts():
            for letter in text:
                choice = {"index": 0, "delta": {"content": letter}, "finish_reason": None}
                yield f"data: {json.dumps({**about, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"
            yield "data: [DONE]\n\n"

        return StreamingResponse(parts(), media_type="text/event-stream")
