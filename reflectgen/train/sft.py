"""Supervised training from nothing: next-token loss and SPR loss on a corpus with known outcomes, in one backward.

A real corpus holds wrong solutions too; a policy that imitates it makes the corpus's mistakes, and the head learns from
the outcomes which steps are mistakes. First the language model alone, then (from `spr.start` on) both losses:

    loss = mean next-token loss over completions + spr.coefficient * SPR loss

It stands on transformers' Trainer, which brings checkpoints, resuming and logging, and not on TRL's SFTTrainer, whose
data preparation and collator carry neither outcomes nor step ends, and whose loss would have to be replaced whole.

Deviation from arXiv 2507.01951: there the SPR loss is taken on the policy's own samples next to GRPO; here on the corpus.

Shapes: B traces, T tokens, D the backbone's width, V its vocabulary, S graded steps, N completion tokens.
"""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import SequentialSampler
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Trainer, TrainingArguments

from reflectgen.config import BackboneConfig, OptimizerConfig, PromptConfig, SupervisedConfig
from reflectgen.model.head import SPRMHead
from reflectgen.model.quiet import quiet
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.tap import FeatureTap, decoder_of
from reflectgen.steps import Segmenter, TokenTable, read_index
from reflectgen.train.checkpoints import claim, folder_of, last_checkpoint
from reflectgen.train.corpus import Corpus, Row, corpus_texts
from reflectgen.train.loss import Graded, auc, named_loss, scale_gradient
from reflectgen.train.muon import MuonAdamW
from reflectgen.train.vocabulary import TAGS, build_tokenizer

PROMPT = PromptConfig(instruction="", tags=TAGS)
"""The problem alone is the prompt."""


def run(config: SupervisedConfig, output: Path, resume: bool = True) -> None:
    """Train as `config` says and write the finished model to `output`, all or nothing.

    Checkpoints go to a folder beside it, `<output>-checkpoints`. Where that holds some, training goes on from the last
    complete one, on the rows that it would have seen; with `resume=False` they are deleted instead. Raises `InputError`
    where `output` has files, or where the checkpoints to resume from are another configuration's.
    """
    checkpoints = folder_of(output)
    named_loss(config.spr.loss)  # an unknown name is told before anything is written
    claim(checkpoints, config.model_dump_json(indent=2), resume)
    tokenizer = build_tokenizer(corpus_texts(config.corpus), config.backbone.vocab_size, config.backbone.context)
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone, tokenizer)
    backbone.sprm_head = SPRMHead(config.head)
    trainer = SupervisedTrainer(config, backbone, tokenizer, checkpoints)
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    head = backbone.sprm_head
    del backbone.sprm_head
    ReflectiveModel(backbone.cpu(), head.cpu(), prompt=PROMPT).save_pretrained(output, tokenizer)


def build_backbone(config: BackboneConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A fresh Llama with tied embeddings, which samples at temperature 1 unless told otherwise.

    Llama and not Qwen2: for a Qwen2, transformers' AutoTokenizer replaces the pre-tokenizer of any vocabulary by its own.
    """
    backbone = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            intermediate_size=config.feedforward,
            max_position_embeddings=config.context,
            tie_word_embeddings=True,
            attention_bias=True,
            initializer_range=0.03,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    backbone.generation_config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return backbone


class SupervisedTrainer(Trainer):
    """transformers' Trainer with both losses in one backward; the head hangs on the model as `sprm_head`.

    So optimizer and checkpoints hold the head's weights without knowing of it.
    """

    def __init__(self, config: SupervisedConfig, backbone: Any, tokenizer: Any, folder: Path) -> None:
        """Train `backbone`, whose `sprm_head` is a fresh head, with checkpoints in `folder`."""
        self.config = config
        self.spr = named_loss(config.spr.loss)
        self.sums: dict[str, list[float]] = defaultdict(list)
        self.began = time.perf_counter()
        self.tap = FeatureTap(backbone, config.head.layer, config.head.norm)
        segmenter = Segmenter.bind(config.head.step_rule, PROMPT.tags, TokenTable(tokenizer))
        rows = config.optimizer.updates * config.optimizer.batch
        corpus = Corpus(config.corpus, PROMPT, tokenizer, segmenter, size=rows, batch=config.optimizer.batch)
        optimizer = MuonAdamW(parameter_groups(backbone, config.optimizer))
        super().__init__(
            model=backbone,
            args=_arguments(config, folder),
            data_collator=Collator(tokenizer.pad_token_id, config.head.offset),
            train_dataset=corpus,
            optimizers=(optimizer, LambdaLR(optimizer, lambda update: rate(update, config.optimizer))),
        )

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        """Rows in order: the corpus is random by itself."""
        return SequentialSampler(self.train_dataset)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As the base class, without a progress bar for one small file."""
        with quiet():
            super().save_model(output_dir, _internal_call)

    def compute_loss(self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, **_: Any) -> Any:
        """Mean next-token loss over completions, and the SPR loss from its start on."""
        states = decoder_of(model)(input_ids=inputs["ids"], use_cache=False).last_hidden_state  # (B, T, D)
        features = self.tap.take()  # (B, T, D)
        predicting = inputs["completion"][:, 1:]  # (B, T - 1)
        logits = model.lm_head(states[:, :-1][predicting])  # (N, V)
        loss = F.cross_entropy(logits, inputs["ids"][:, 1:][predicting])
        self._note(nll=loss.detach())
        if self.state.global_step >= self.config.spr.start * self.state.max_steps:
            loss = loss + self.config.spr.coefficient * self._spr(model, features, inputs)
        return (loss, {}) if return_outputs else loss

    def _spr(self, model: Any, features: Tensor, inputs: dict[str, Tensor]) -> Tensor:
        spr = self.config.spr
        read = scale_gradient(features[inputs["trace"], inputs["read"]], spr.gradient_scale)  # (S, D)
        graded = Graded(
            logits=model.sprm_head(read),
            trace=inputs["trace"],
            correct=inputs["correct"],
            ended=torch.ones_like(inputs["correct"]),
        )
        filtered = self.state.global_step >= spr.filter_start * self.state.max_steps
        loss, metrics = (self.spr if filtered else self.spr.unfiltered)(graded)
        self._note(**metrics, step_auc=auc(graded.logits.detach(), inputs["readings"]))
        return loss

    def _note(self, **metrics: Tensor) -> None:
        """Keep the metrics that this batch defines."""
        for name, value in metrics.items():
            if not value.isnan():
                self.sums[name].append(value.item())

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means since the last line, and the seconds of this run."""
        means = {name: round(sum(values) / len(values), 4) for name, values in self.sums.items()}
        self.sums.clear()
        super().log({**logs, **means, "seconds": round(time.perf_counter() - self.began)}, start_time)


class Collator:
    """Rows -> padded tensors."""

    def __init__(self, pad: int, offset: int) -> None:
        """`pad` fills rows on the right; the head reads `offset` tokens from each step's end."""
        self.pad, self.offset = pad, offset

    def __call__(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        """`ids` (B, T), `completion` (B, T) bool, `correct` (B,) bool; `trace`, `read` and `readings`, each (S,)."""
        length = max(len(row.ids) for row in rows)
        steps = [(index, row, step) for index, row in enumerate(rows) for step in range(len(row.ends))]
        return {
            "ids": torch.tensor([[*row.ids, *[self.pad] * (length - len(row.ids))] for row in rows]),
            "completion": torch.tensor([[row.prompt <= at < len(row.ids) for at in range(length)] for row in rows]),
            "correct": torch.tensor([row.correct for row in rows]),
            "trace": torch.tensor([index for index, _, _ in steps]),
            "read": torch.tensor([read_index(row.ends[step], self.offset) for _, row, step in steps]),
            "readings": torch.tensor([row.readings[step] for _, row, step in steps]),
        }


def parameter_groups(model: torch.nn.Module, config: OptimizerConfig) -> list[dict[str, Any]]:
    """The blocks' matrices for Muon; embeddings, norms, biases and the head for AdamW."""
    named = dict(model.named_parameters())
    matrices = [name for name, value in named.items() if value.ndim == 2 and not name.startswith(("model.embed", "sprm_head"))]
    rest = [value for name, value in named.items() if name not in set(matrices)]
    return [
        {"params": [named[name] for name in matrices], "lr": config.muon_lr, "muon": True, "weight_decay": config.weight_decay},
        {"params": rest, "lr": config.adam_lr, "muon": False},
    ]


def rate(update: int, config: OptimizerConfig) -> float:
    """Share of the peak learning rate at `update`: a linear rise, and a cosine down to the floor."""
    progress = update / config.updates
    rise = min(1.0, (progress + 1 / config.updates) / config.warmup) if config.warmup else 1.0
    return rise * (config.floor + (1 - config.floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def _arguments(config: SupervisedConfig, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=config.optimizer.updates,
        per_device_train_batch_size=config.optimizer.batch,
        max_grad_norm=config.optimizer.clip,
        save_steps=config.save_every,
        save_total_limit=2,
        logging_steps=config.log_every,
        seed=config.seed,
        report_to=[],
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=not sys.stderr.isatty(),
    )
