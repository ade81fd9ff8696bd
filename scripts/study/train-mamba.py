"""Trains one small Mamba model of the study and cuts its measuring windows from text that it has not seen.

    python train-mamba.py NAME TRAINER TEXT_FOLDER OUT_FOLDER [--seconds 240]

Arguments, checkpoints and files are those of train-model.py; TRAINER gives only its tokenizer. The block is the one that llama.cpp's
`mamba` graph computes (src/models/mamba-base.cpp): one state per channel, inner width twice the model's. All tensors are written as F32.
Needs torch, numpy, tokenizers, gguf.
"""
import json, math, pathlib

import gguf, torch, torch.nn as nn, torch.nn.functional as F

import training

# Fixed before any search was run on them.
MODELS = {
    "mamba": dict(seed=5, steps=400, texts=["moby-dick.txt", "factbook-prose.txt"], LAYERS=10, DIM=64, STATE=8, RANK=4, CONV=4, VOCAB=512),
}
EPS = 1e-5


class Scan(torch.autograd.Function):
    """h[t] = a[t] h[t-1] + b[t] from h = 0, all [time, ...]."""

    @staticmethod
    def forward(ctx, a, b):
        h = torch.empty_like(b)
        h[0] = b[0]
        for t in range(1, len(b)):
            torch.addcmul(b[t], a[t], h[t - 1], out=h[t])
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    def backward(ctx, grad):
        a, h = ctx.saved_tensors
        g = grad.clone()
        for t in range(len(g) - 2, -1, -1):
            g[t].addcmul_(a[t + 1], g[t + 1])
        into_a = torch.zeros_like(a)
        torch.mul(g[1:], h[:-1], out=into_a[1:])
        return into_a, g


class Block(nn.Module):
    def __init__(self, spec):
        super().__init__()
        dim, self.state, self.rank = spec["DIM"], spec["STATE"], spec["RANK"]
        inner = 2 * dim
        self.norm = nn.RMSNorm(dim, EPS)
        self.to_inner = nn.Linear(dim, 2 * inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, spec["CONV"], groups=inner, padding=spec["CONV"] - 1)
        self.x = nn.Linear(inner, self.rank + 2 * self.state, bias=False)
        self.dt = nn.Linear(self.rank, inner)
        self.a_log = nn.Parameter(torch.arange(1, self.state + 1).float().log().repeat(inner, 1))
        self.d = nn.Parameter(torch.ones(inner))
        self.out = nn.Linear(inner, dim, bias=False)
        self.a_log.no_decay = True
        nn.init.normal_(self.to_inner.weight, std=0.02)
        nn.init.normal_(self.x.weight, std=0.02)
        nn.init.normal_(self.out.weight, std=0.02 / math.sqrt(spec["LAYERS"]))
        # Initial steps between 1e-3 and 0.1, as the authors of Mamba draw them.
        step = torch.exp(torch.rand(inner) * math.log(100) + math.log(1e-3))
        with torch.no_grad():
            self.dt.bias.copy_(step + torch.log(-torch.expm1(-step)))

    def forward(self, residual):
        length = residual.shape[1]
        x, z = self.to_inner(self.norm(residual)).chunk(2, -1)
        x = F.silu(self.conv(x.transpose(1, 2))[..., :length].transpose(1, 2))
        dt, b, c = self.x(x).split([self.rank, self.state, self.state], -1)
        # Time first: [time, batch, channel], and [time, batch, 1, state].
        first = lambda y: y.transpose(0, 1).contiguous()
        dt, b, c = first(F.softplus(self.dt(dt))), first(b).unsqueeze(2), first(c).unsqueeze(2)
        decay = torch.exp(dt.unsqueeze(-1) * -self.a_log.exp())
        h = Scan.apply(decay, (dt * first(x)).unsqueeze(-1) * b)
        y = first((h * c).sum(-1)) + x * self.d
        return residual + self.out(y * F.silu(z))


class Model(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.embed = nn.Embedding(spec["VOCAB"], spec["DIM"])
        nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec["LAYERS"]))
        self.norm = nn.RMSNorm(spec["DIM"], EPS)

    def forward(self, tokens):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embed.weight)


def export(path, model, tok, spec):
    w = gguf.GGUFWriter(path, "mamba")
    w.add_name("prune-gguf study mamba"), w.add_license("CC0-1.0")
    w.add_block_count(spec["LAYERS"]), w.add_context_length(2**20), w.add_embedding_length(spec["DIM"])
    # llama.cpp's converter writes these two as 0.
    w.add_feed_forward_length(0), w.add_head_count(0)
    w.add_ssm_conv_kernel(spec["CONV"]), w.add_ssm_inner_size(2 * spec["DIM"]), w.add_ssm_state_size(spec["STATE"])
    w.add_ssm_time_step_rank(spec["RANK"]), w.add_ssm_dt_b_c_rms(False), w.add_layer_norm_rms_eps(EPS)
    w.add_vocab_size(spec["VOCAB"]), w.add_file_type(gguf.LlamaFileType.ALL_F32)
    state = json.loads(tok.to_str())["model"]
    tokens = [t for t, _ in sorted(state["vocab"].items(), key=lambda kv: kv[1])]
    assert len(tokens) == spec["VOCAB"]
    w.add_tokenizer_model("gpt2"), w.add_tokenizer_pre("gpt-2"), w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL if i == 0 else gguf.TokenType.NORMAL for i in range(len(tokens))])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in state["merges"]])
    w.add_bos_token_id(0), w.add_eos_token_id(0), w.add_add_bos_token(True)
    add = lambda name, p: w.add_tensor(name, p.detach().float().contiguous().numpy())
    add("token_embd.weight", model.embed.weight)
    for i, block in enumerate(model.blocks):
        add(f"blk.{i}.attn_norm.weight", block.norm.weight)
        add(f"blk.{i}.ssm_in.weight", block.to_inner.weight)
        add(f"blk.{i}.ssm_conv1d.weight", block.conv.weight.squeeze(1))
        add(f"blk.{i}.ssm_conv1d.bias", block.conv.bias)
        add(f"blk.{i}.ssm_x.weight", block.x.weight)
        add(f"blk.{i}.ssm_dt.weight", block.dt.weight)
        add(f"blk.{i}.ssm_dt.bias", block.dt.bias)
        add(f"blk.{i}.ssm_a", -block.a_log.exp())
        add(f"blk.{i}.ssm_d", block.d)
        add(f"blk.{i}.ssm_out.weight", block.out.weight)
    add("output_norm.weight", model.norm.weight)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


def check(model, text, tok, path):
    """Writes a text and prints its loss by torch: `prune-gguf evaluate MODEL --text FILE --preset full --window-length 128` must give the same."""
    path.write_text(text, encoding="utf-8")
    tokens = torch.tensor([0] + tok.encode(text.removesuffix("\n")).ids)
    rows = tokens[: len(tokens) // training.LENGTH * training.LENGTH].view(-1, training.LENGTH).clone()
    rows[:, 0] = 0
    with torch.no_grad():
        print(f"loss on {path.name}, {len(rows)} windows", training.loss_of(model, rows).item())


a = training.options(MODELS, __doc__)
spec = MODELS[a.name]
target = pathlib.Path(a.out) / f"{a.name}.gguf"
torch.set_num_threads(1)
torch.manual_seed(spec["seed"])
trainer = training.library(a.trainer, {"VOCAB": spec["VOCAB"]})
texts = training.Texts(a.texts, spec["texts"], trainer["train_tokenizer"])
model = Model(spec)
training.train(model, texts.train, spec["seed"], spec["steps"], target.with_suffix(".pt"), a.seconds)
export(str(target), model, texts.tokenizer, spec)
training.write_windows(texts.windows(), target, model)
check(model, texts.held_texts[0], texts.tokenizer, target.with_suffix(".held-out.txt"))
