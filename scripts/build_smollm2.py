#!/usr/bin/env python3
"""Turns a Llama-family GGUF file with a byte-level BPE tokenizer (SmolLM2) into a Hugging Face folder.

    python scripts/build_smollm2.py MODEL.gguf OUT_DIR [bf16|f32]       # needs gguf (and its numpy)

Writes config.json, generation_config.json, model.safetensors, tokenizer.json and tokenizer_config.json. Quantised weights
are expanded, so the model is the one in the GGUF file, not the one it was quantised from. scripts/get_smollm2 calls this.
"""

import json
import re
import struct
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

WHOLE_MODEL = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
IN_BLOCK = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
            "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
            "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
CONTROL_TOKEN = 3  # GGUF's token type of the special tokens


class Gguf:
    """Read access to a GGUF file: metadata by key, tensors by name as f32 in the framework's order of dimensions."""

    def __init__(self, path: str):
        self.reader = GGUFReader(path)
        self.tensors = {t.name: t for t in self.reader.tensors}

    def __getitem__(self, key: str):
        return self.reader.fields[key].contents()

    def tensor(self, name: str) -> np.ndarray:
        t = self.tensors[name]
        return dequantize(t.data, t.tensor_type).astype("<f4").reshape([int(n) for n in reversed(t.shape)])


def hugging_face_name(name: str) -> str:
    if block := re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name):
        return f"model.layers.{block[1]}.{IN_BLOCK[block[2]]}.weight"
    return WHOLE_MODEL[name.removesuffix(".weight")] + ".weight"


def split_rotary_halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """GGUF stores a head's rotary pairs side by side (x0 y0 x1 y1 ..), Hugging Face as two halves (x0 x1 .. y0 y1 ..)."""
    pairs = weight.reshape(heads, -1, 2, weight.shape[1])  # [heads, D/2, 2, E]
    return pairs.transpose(0, 2, 1, 3).reshape(weight.shape)


def to_bytes(weight: np.ndarray, dtype: str) -> bytes:
    if dtype == "f32":
        return weight.tobytes()
    bits = np.ascontiguousarray(weight).view("<u4")
    round_to_even = 0x7FFF + ((bits >> 16) & 1)
    return ((bits + round_to_even) >> 16).astype("<u2").tobytes()


def write_weights(model: Gguf, path: Path, dtype: str) -> None:
    rotary_heads = {"attn_q": model["llama.attention.head_count"], "attn_k": model["llama.attention.head_count_kv"]}
    names = sorted((hugging_face_name(n), n) for n in model.tensors)
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for hf, name in names:
        shape = [int(n) for n in reversed(model.tensors[name].shape)]
        start, end = end, end + int(np.prod(shape)) * (2 if dtype == "bf16" else 4)
        header[hf] = {"dtype": dtype.upper(), "shape": shape, "data_offsets": [start, end]}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for _, name in names:
            weight = model.tensor(name)
            heads = next((h for part, h in rotary_heads.items() if f".{part}." in name), None)
            file.write(to_bytes(split_rotary_halves(weight, heads) if heads else weight, dtype))


def config(model: Gguf, dtype: str) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": {"bf16": "bfloat16", "f32": "float32"}[dtype],
        "vocab_size": len(model["tokenizer.ggml.tokens"]), "hidden_size": model["llama.embedding_length"],
        "intermediate_size": model["llama.feed_forward_length"], "num_hidden_layers": model["llama.block_count"],
        "num_attention_heads": model["llama.attention.head_count"], "num_key_value_heads": model["llama.attention.head_count_kv"],
        "head_dim": model["llama.rope.dimension_count"], "max_position_embeddings": model["llama.context_length"],
        # The file keeps the epsilon as an f32; five digits give back the decimal that was meant.
        "rms_norm_eps": float(f"{model['llama.attention.layer_norm_rms_epsilon']:.5g}"),
        "rope_theta": float(model["llama.rope.freq_base"]), "rope_scaling": None, "hidden_act": "silu", "attention_bias": False,
        "mlp_bias": False, "attention_dropout": 0.0, "tie_word_embeddings": "output.weight" not in model.tensors,
        "use_cache": True, **special_ids(model)}


def special_ids(model: Gguf) -> dict:
    return {f"{short}_token_id": model[f"tokenizer.ggml.{long}_token_id"] for short, long in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))}


def tokenizer(model: Gguf) -> tuple[dict, dict]:
    """tokenizer.json and tokenizer_config.json. The pre-tokenizer `smollm` is: digits one by one, then GPT-2's split."""
    if (pre := model["tokenizer.ggml.pre"]) != "smollm":
        sys.exit(f"build_smollm2.py: tokenizer.ggml.pre is {pre!r}, only 'smollm' is known")
    tokens, kinds = model["tokenizer.ggml.tokens"], model["tokenizer.ggml.token_type"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = {i: {"content": t, **flags} for i, t in enumerate(tokens) if kinds[i] == CONTROL_TOKEN}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    bpe = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
           "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
           "vocab": {t: i for i, t in enumerate(tokens)}, "merges": list(model["tokenizer.ggml.merges"])}
    full = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [{"id": i, **a} for i, a in added.items()],
            "normalizer": None, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
            "post_processor": None, "decoder": {**byte_level, "add_prefix_space": True}, "model": bpe}
    names = {key.replace("_id", ""): tokens[i] for key, i in special_ids(model).items()}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **names, "unk_token": tokens[model["tokenizer.ggml.unknown_token_id"]], "add_prefix_space": False,
                "clean_up_tokenization_spaces": False, "model_max_length": model["llama.context_length"],
                "chat_template": model["tokenizer.chat_template"], "added_tokens_decoder": {str(i): a for i, a in added.items()}}
    return full, settings


def main() -> None:
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["bf16"], ["f32"]):
        sys.exit("usage: build_smollm2.py MODEL.gguf OUT_DIR [bf16|f32]")
    model, out, dtype = Gguf(sys.argv[1]), Path(sys.argv[2]), (sys.argv[3:] or ["bf16"])[0]
    out.mkdir(parents=True, exist_ok=True)
    write_weights(model, out / "model.safetensors", dtype)
    full, settings = tokenizer(model)
    for name, content, indent in (("config", config(model, dtype), 2), ("generation_config", special_ids(model), 2),
                                  ("tokenizer", full, None), ("tokenizer_config", settings, 2)):
        (out / f"{name}.json").write_text(json.dumps(content, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
