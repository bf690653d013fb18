"""DuSE as one would write it on `transformers` in an afternoon: what `duse_speed.py` measures against.

Float32, eager, one row of CLIP's own layers after the other, 77 tokens of text in every step. The same function as
`mien.models.duse.DuSE` with its default options, whose trained values it takes over.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn

from mien.backbones.config import BackboneConfig
from mien.backbones.tower import sinusoids
from mien.models.duse.model import DuSE


def clip(image: BackboneConfig, text: BackboneConfig) -> transformers.CLIPModel:
    """Random weights of these sizes."""
    return transformers.CLIPModel(transformers.CLIPConfig(
        projection_dim=image.out,
        vision_config={"hidden_size": image.width, "num_hidden_layers": image.layers, "patch_size": image.patch,
                       "num_attention_heads": image.heads, "intermediate_size": image.inner},
        text_config={"hidden_size": text.width, "num_hidden_layers": text.layers, "num_attention_heads": text.heads,
                     "intermediate_size": text.inner})).eval().requires_grad_(False)


class Reference(nn.Module):
    """Pixels (B, T, 3, 224, 224), normalised, and ids (K, 77) -> logits (B, K)."""

    def __init__(self, model: transformers.CLIPModel, ours: DuSE, ids: Tensor):
        super().__init__()
        self.clip, self.htpc, self.lsea, self.ids = model, ours.htpc, ours.lsea, ids
        width = ours.image.plan.features
        self.attention = nn.MultiheadAttention(width, 8, batch_first=True)
        self.attention.load_state_dict({
            "in_proj_weight": ours.lsea.attend.qkv.weight, "in_proj_bias": ours.lsea.attend.qkv.bias,
            "out_proj.weight": ours.lsea.attend.out.weight, "out_proj.bias": ours.lsea.attend.out.bias})

    def text(self) -> Tensor:
        """F_T (K, d)."""
        model, n = self.clip.text_model, self.htpc.text.shape[1]
        ids = torch.cat([self.ids[:, :1], self.ids[:, :1].expand(-1, n), self.ids[:, 1:-n]], dim=1)
        hidden, where = model.embeddings(ids), model.embeddings.position_embedding.weight
        for i, layer in enumerate(model.encoder.layers):
            if i < len(self.htpc.text):
                prompts = self.htpc.text[i] + (where[1 : 1 + n] if i == 0 else 0)
                hidden = torch.cat([hidden[:, :1], prompts.expand(len(ids), -1, -1), hidden[:, 1 + n :]], dim=1)
            elif i == len(self.htpc.text):
                hidden = torch.cat([hidden[:, :1], hidden[:, 1 + n :]], dim=1)
            size = hidden.shape[1]
            mask = torch.full((size, size), torch.finfo(hidden.dtype).min).triu(1)[None, None]
            hidden = layer(hidden, attention_mask=mask)
        last = model.final_layer_norm(hidden)[torch.arange(len(ids)), self.ids.argmax(-1)]
        return self.clip.text_projection(last)

    def video(self, pixels: Tensor) -> Tensor:
        """F_V (B, T, d)."""
        count, length = pixels.shape[:2]
        model, prompts = self.clip.vision_model, self.htpc.mlp(self.htpc.text)
        n, wave = prompts.shape[1], self.htpc.phase * sinusoids(length, prompts.shape[-1])
        hidden = model.embeddings(pixels.flatten(0, 1))
        shallow = (prompts[0][None] + wave[:, None]).repeat(count, 1, 1)
        hidden = model.pre_layrnorm(torch.cat([hidden, shallow], dim=1))
        for i, layer in enumerate(model.encoder.layers):
            if 0 < i < len(prompts):
                hidden = torch.cat([hidden[:, :-n], prompts[i].expand(len(hidden), -1, -1)], dim=1)
            elif i == len(prompts):
                hidden = hidden[:, :-n]
            hidden = layer(hidden, attention_mask=None)
        return self.clip.visual_projection(model.post_layernorm(hidden[:, 0])).unflatten(0, (count, length))

    def forward(self, pixels: Tensor) -> Tensor:
        options, video, text = self.lsea.options, self.video(pixels), self.text()
        normed = self.lsea.attend.norm(video)
        mixed = self.lsea.linear(video + self.attention(normed, normed, normed)[0])
        pooled = (self.lsea.score(mixed).softmax(1) * mixed).sum(1)
        v = self.lsea.heads(pooled).view(len(video), options.heads, -1)
        t = self.lsea.heads(text).view(len(text), options.heads, -1)
        like = torch.einsum("bnd,knd->bnk", F.normalize(v, dim=-1), F.normalize(t, dim=-1)) / options.match_temperature
        semantic = torch.einsum("bnk,knd->bnd", like.softmax(-1), t)
        fused = (options.beta * v + (1 - options.beta) * semantic).mean(1)
        return F.normalize(fused, dim=-1) @ F.normalize(text, dim=-1).T / (options.score_temperature or 0.01)
