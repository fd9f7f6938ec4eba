"""A model folder of a few kilobytes from the standard library alone: a decoder with small random weights whose tokens are
single characters. Hostile inputs are this folder with a part replaced.

    parts = model.parts()                     # {"config": ..., "weights": ..., "tokenizer": ..., "files": ...}, to be changed
    parts["config"]["hidden_size"] = 10**12
    model.write(folder, parts)
"""
import array
import json
import os
import random
import struct

SPECIAL = ["<unk>", "<pad>", "<eos>"]
TOKENS = SPECIAL + ["\n"] + [chr(code) for code in range(32, 127)]


def config():
    """The least that a Llama needs: V=99 E=8 F=8 L=1 H=2 K=1 D=4."""
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": len(TOKENS), "hidden_size": 8,
        "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4,
        "hidden_act": "silu", "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "tie_word_embeddings": True, "eos_token_id": 2, "dtype": "float32",
    }


def shapes(config):
    """Names and shapes of the weights that `config` calls for, as Hugging Face names them."""
    e, f, d = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    q, kv = config["num_attention_heads"] * d, config["num_key_value_heads"] * d
    named = {"model.embed_tokens.weight": [config["vocab_size"], e], "model.norm.weight": [e]}
    if not config["tie_word_embeddings"]:
        named["lm_head.weight"] = [config["vocab_size"], e]
    for layer in range(config["num_hidden_layers"]):
        of_layer = {
            "self_attn.q_proj": [q, e], "self_attn.k_proj": [kv, e], "self_attn.v_proj": [kv, e], "self_attn.o_proj": [e, q],
            "mlp.gate_proj": [f, e], "mlp.up_proj": [f, e], "mlp.down_proj": [e, f],
            "input_layernorm": [e], "post_attention_layernorm": [e],
        }
        named.update({f"model.layers.{layer}.{name}.weight": shape for name, shape in of_layer.items()})
    return named


def weights(shapes, seed=0):
    """{name: (dtype, shape, bytes)}: norms are 1, all else is small and random."""
    rng = random.Random(seed)
    made = {}
    for name, shape in shapes.items():
        n = 1
        for size in shape:
            n *= size
        numbers = [1.0 if "norm" in name else rng.gauss(0, 0.1) for _ in range(n)]
        made[name] = ("F32", shape, array.array("f", numbers).tobytes())
    return made


def tokenizer():
    """tokenizer.json: a token a character, nothing around a text."""
    added = [{"id": id, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for id, token in enumerate(SPECIAL)]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated", "invert": False},
        "post_processor": None, "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": {token: id for id, token in enumerate(TOKENS)}, "unk_token": "<unk>"},
    }


def safetensors(weights, metadata=None):
    """The bytes of a safetensors file: length of the header, header, numbers."""
    header, end = {"__metadata__": metadata or {"format": "pt"}}, 0
    for name, (dtype, shape, numbers) in weights.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(numbers)]}
        end += len(numbers)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(numbers for *_, numbers in weights.values())


def parts():
    """What `write` writes: config.json, the weights, tokenizer.json, and further files by name (text, bytes or an object)."""
    made = config()
    files = {"tokenizer_config.json": {"eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}}
    return {"config": made, "weights": weights(shapes(made)), "tokenizer": tokenizer(), "files": files}


def write(folder, parts):
    """Writes `parts` into `folder`; a part that is None is left out, one that is text or bytes is the whole file."""
    os.makedirs(folder, exist_ok=True)
    stored = parts["weights"]
    named = {"config.json": parts["config"], "tokenizer.json": parts["tokenizer"], **parts["files"]}
    named["model.safetensors"] = safetensors(stored) if isinstance(stored, dict) else stored
    for name, content in named.items():
        if content is None:
            continue
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content)
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
