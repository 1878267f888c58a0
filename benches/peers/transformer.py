"""The model of Leung & Bovy (2023) in PyTorch, for runs beside lamcat, and its check against reference vectors.

    pip install -r benches/peers/requirements.txt
    python benches/peers/transformer.py --check REFERENCE/small     # folder of config.json, weights.pt and cases

It reads a lamcat model file or a checkpoint. `Labels` asks the same requests of contexts with the same tokens: values
(rows, tokens) in, mean and log variance (rows, requests) out, all standardised. The decoder runs once for all requests
and makes its keys and values once. `absorbed=True` goes further: the score of key Wk x with a query q is x . (Wk^T q),
and the sum of values Wv x is Wv of the sum of x, so that the keys and values of the context are never formed. `onednn=True`
calls oneDNN for products, gelu included: PyTorch's own choice leaves AVX-512 unused on some CPUs.
"""

import argparse
import copy
import json
import pathlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

INPUTS = [f"{band}{order}" for band in ("bp", "rp") for order in range(32)]
LABELS = ["teff", "logg", "m_h"]


def dense(x, weight, bias, gelu=False, onednn=False):
    """x W^T + b, or gelu of it."""
    if onednn:
        return torch.ops.mkldnn._linear_pointwise(x.contiguous(), weight, bias, "gelu" if gelu else "none", [], "none")
    x = F.linear(x, weight, bias)
    return F.gelu(x) if gelu else x


class Linear(nn.Linear):
    onednn = False

    def forward(self, x, gelu=False):
        return dense(x, self.weight, self.bias, gelu, self.onednn)


class Attention(nn.Module):
    """From queries (1 or rows, n, width) to a memory (rows, m, width), with one learned key and value more.

    `mask` (rows, m) is true where the memory is padding, or None where nothing is.
    """

    onednn = False

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.bias_k = nn.Parameter(torch.empty(1, 1, width))
        self.bias_v = nn.Parameter(torch.empty(1, 1, width))
        self.out_proj = Linear(width, width)

    def project(self, x, start, end):
        """By the rows of the projection of these widths: 0 to 1 queries, 1 to 2 keys, 2 to 3 values."""
        rows = slice(start * x.shape[-1], end * x.shape[-1])
        return dense(x, self.in_proj_weight[rows], self.in_proj_bias[rows], onednn=self.onednn)

    def forward(self, query, memory, mask):
        rows, slots, width = memory.shape
        if query is memory:
            q, k, v = self.project(memory, 0, 3).chunk(3, -1)
        else:
            q = self.project(query, 0, 1)
            k, v = self.project(memory, 1, 3).chunk(2, -1)
        k = torch.cat([k, self.bias_k.expand(rows, 1, width)], 1)
        v = torch.cat([v, self.bias_v.expand(rows, 1, width)], 1)
        q, k, v = (x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (q, k, v))
        shown = None if mask is None else F.pad(~mask, (0, 1), value=True)[:, None, None]
        q = q.expand(rows, -1, -1, -1)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=shown)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def absorbed(self, query, memory, mask):
        """The same without keys and values of the memory: cheaper where queries are few."""
        n, (rows, slots, width) = query.shape[1], memory.shape
        weights = self.in_proj_weight.unflatten(0, (3, self.heads, -1))
        bias = self.in_proj_bias.unflatten(0, (3, self.heads, -1))
        size = width // self.heads
        q = self.project(query, 0, 1) * size**-0.5
        q = q.unflatten(-1, (self.heads, size)).permute(2, 0, 1, 3)  # (heads, 1 or rows, n, size)
        to_memory = (q.flatten(1, 2) @ weights[1]).unflatten(1, (-1, n)).transpose(0, 1).flatten(1, 2)
        # A key's own bias adds the same to all scores but the extra key's, so it is taken from that one.
        extra = (q * (self.bias_k.view(self.heads, 1, 1, size) - bias[1][:, None, None])).sum(-1)
        extra = extra.transpose(0, 1).flatten(1).unsqueeze(-1).expand(rows, -1, 1)
        scores = to_memory.expand(rows, -1, -1) @ memory.transpose(1, 2)
        if mask is not None:
            scores = scores.masked_fill(mask[:, None], float("-inf"))
        shares = torch.cat([scores, extra], -1).softmax(-1)
        mixed = (shares[..., :slots] @ memory).unflatten(1, (self.heads, n)).transpose(0, 1).flatten(1, 2)
        values = (mixed @ weights[2].transpose(1, 2)).unflatten(1, (rows, n)) + bias[2][:, None, None]
        of_extra = shares[..., slots:].unflatten(1, (self.heads, n)).transpose(0, 1)
        values = values + of_extra * (self.bias_v.view(self.heads, 1, 1, size) - bias[2][:, None, None])
        return self.out_proj(values.permute(1, 2, 0, 3).flatten(2))


class Block(nn.Module):
    """Attention, residual, layer norm, two dense layers with gelu between, residual, layer norm."""

    def __init__(self, width, heads, dense):
        super().__init__()
        self.attention = Attention(width, heads)
        self.layernorm_1 = nn.LayerNorm(width)
        self.dense_1 = Linear(width, dense)
        self.dense_2 = Linear(dense, width)
        self.layernorm_2 = nn.LayerNorm(width)

    def forward(self, query, memory, mask, absorbed=False):
        attend = self.attention.absorbed if absorbed else self.attention
        x = self.layernorm_1(query + attend(query, memory, mask))
        return self.layernorm_2(x + self.dense_2(self.dense_1(x, gelu=True)))


class Embedding(nn.Module):
    def __init__(self, tokens, width):
        super().__init__()
        self.embeddings = nn.Parameter(torch.empty(tokens + 1, width))
        self.bias = nn.Parameter(torch.empty(tokens + 1, width))

    def forward(self, tokens, values):
        return F.gelu(self.embeddings[tokens] * values.unsqueeze(-1) + self.bias[tokens])


class Transformer(nn.Module):
    """Submodules carry the published checkpoint's names."""

    def __init__(self, sizes, tokens):
        super().__init__()
        width, heads, dense = sizes["width"], sizes["decoder_heads"], sizes["decoder_dense"]
        self.embedding_layer = Embedding(tokens, width)
        self.torch_encoder = nn.ModuleDict({
            f"encoder_transformer_block_{i + 1}": Block(width, sizes["encoder_heads"] >> i, sizes["encoder_dense"] >> i)
            for i in range(2)
        })
        layers = {f"decoder_transformer_block_{i + 1}": Block(width, heads >> i, dense >> i) for i in range(3)}
        inner = [width, *(dense >> i for i in range(4))]
        layers |= {f"decoder_dense_{i + 3}": Linear(inner[i], inner[i + 1]) for i in range(4)}
        layers |= {name: Linear(inner[-1], 1) for name in ("decoder_out", "decoder_logvar_out")}
        self.torch_decoder = nn.ModuleDict(layers)

    def perceive(self, tokens, values, mask=None):
        x = self.embedding_layer(tokens, values)
        for block in self.torch_encoder.values():
            x = block(x, x, mask)
        return x

    def request(self, perception, requests, mask=None, absorbed=False):
        x = self.embedding_layer.embeddings[requests].unsqueeze(0)
        for i in range(3):
            x = self.torch_decoder[f"decoder_transformer_block_{i + 1}"](x, perception, mask, absorbed)
        for i in range(4):
            x = self.torch_decoder[f"decoder_dense_{i + 3}"](x, gelu=True)
        return tuple(self.torch_decoder[name](x).squeeze(-1) for name in ("decoder_out", "decoder_logvar_out"))


class Model:
    """A Transformer with its vocabulary: names, medians and scales by token id, 0 being padding."""

    def __init__(self, sizes, names, medians, scales, weights):
        self.ids = {name: i + 1 for i, name in enumerate(names)}
        self.medians, self.scales = np.array([0.0, *medians]), np.array([1.0, *scales])
        self.context_length = sizes["context_length"]
        self.network = Transformer(sizes, len(names)).eval().requires_grad_(False)
        self.network.load_state_dict(weights)

    @classmethod
    def open(cls, path):
        """Reads a lamcat model file."""
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            header = json.loads(file.metadata()["lamcat"])
            weights = {name: file.get_tensor(name).float() for name in file.keys() if not name.startswith("domain.")}
        words = [[token[key] for token in header["vocabulary"]] for key in ("name", "median", "scale")]
        return cls(header["architecture"], *words, weights)

    @classmethod
    def of_checkpoint(cls, folder):
        """Reads a folder with a published checkpoint's config.json and weights.pt."""
        config = json.loads((folder / "config.json").read_text())
        nn_config, norm = config["nn_config"], config["norm_config"]
        sizes = {f"{part}_{to}": nn_config[f"{part}_{of}"] for part in ("encoder", "decoder")
                 for to, of in (("heads", "head_num"), ("dense", "dense_num"))}
        sizes |= {"width": nn_config["embedding_dim"], "context_length": nn_config["context_length"]}
        weights = torch.load(folder / "weights.pt", map_location="cpu")["model_state_dict"]
        names = config["tokenizer_config"]["vocabs"]
        return cls(sizes, names, norm["_input_mean"][1:], norm["_input_std"][1:], weights)

    def tokens(self, names):
        return np.array([self.ids[name] for name in names])

    def standardise(self, tokens, values):
        """Values in physical units to the model's, in float32."""
        return ((values - self.medians[tokens]) / self.scales[tokens]).astype("f4")

    def physical(self, requests, mean, log_variance):
        """Standardised answers to values and errors in physical units."""
        scale = self.scales[requests]
        return mean * scale + self.medians[requests], np.exp(0.5 * log_variance) * scale


def by_onednn(network):
    """The same network with its products by oneDNN."""
    network = copy.deepcopy(network)
    for module in network.modules():
        module.onednn = True
    return network


class Labels(nn.Module):
    """Standardised values (rows, tokens) of full contexts to mean and log variance (rows, requests)."""

    def __init__(self, model, inputs=INPUTS, labels=LABELS, absorbed=False, onednn=False):
        super().__init__()
        self.network, self.absorbed = by_onednn(model.network) if onednn else model.network, absorbed
        self.register_buffer("tokens", torch.from_numpy(model.tokens(inputs)).unsqueeze(0))
        self.register_buffer("requests", torch.from_numpy(model.tokens(labels)))
        self.eval()

    def forward(self, values):
        return self.network.request(self.network.perceive(self.tokens, values), self.requests, absorbed=self.absorbed)


def export_onnx(labels, path, int8_path=None):
    """Writes ONNX of any number of rows, and the same with dynamically quantised 8-bit products."""
    import logging

    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.disable(logging.WARNING)
    rows = torch.export.Dim("rows", min=2, max=1 << 20)
    values = torch.zeros(8, labels.tokens.shape[1])
    torch.onnx.export(labels, (values,), path, dynamo=True, dynamic_shapes={"values": {0: rows}}, input_names=["values"],
                      output_names=["mean", "log_variance"], external_data=False, verbose=False)
    if int8_path:
        quantize_dynamic(path, int8_path, weight_type=QuantType.QInt8, per_channel=True)
    logging.disable(logging.NOTSET)


def check(folder):
    """Largest differences from the vectors of a folder, as (case, form, perception, prediction / scale)."""
    model = Model.of_checkpoint(folder)
    forms = {"": (model.network, False), ", absorbed": (model.network, True)}
    forms[", absorbed, oneDNN"] = (by_onednn(model.network), True)
    for path in sorted(folder.glob("*.npz")):
        case, requests = np.load(path), json.loads(path.with_suffix(".json").read_text())["requests"]
        missing = np.isnan(case["inputs"])
        tokens = np.where(missing, 0, case["input_tokens"])
        values = np.where(missing, 0, model.standardise(tokens, case["inputs"]))
        room = ((0, 0), (0, model.context_length - tokens.shape[1]))
        tokens, values = torch.from_numpy(np.pad(tokens, room)).long(), torch.from_numpy(np.pad(values, room))
        requests = model.tokens(requests)
        for form, (network, absorbed) in forms.items():
            perception = network.perceive(tokens, values, tokens == 0)
            answers = network.request(perception, torch.from_numpy(requests), tokens == 0, absorbed)
            values_and_errors = model.physical(requests, *(x.numpy() for x in answers))
            off = [np.abs(ours - case[name]) / model.scales[requests]
                   for ours, name in zip(values_and_errors, ("prediction", "prediction_error"))]
            yield path.stem, form, np.abs(perception.numpy() - case["perception"]).max(), np.max(off)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", type=pathlib.Path, metavar="FOLDER", required=True)
    args = parser.parse_args()
    good = True
    for case, form, perception, prediction in check(args.check):
        good &= bool(perception <= 1e-4 and prediction <= 2e-5)
        print(f"{case + form:<40} perception within {perception:.1e}, answers within {prediction:.1e} of a token's scale")
    if not good:
        raise SystemExit("off: 1e-4 and 2e-5 are allowed")


if __name__ == "__main__":
    main()
