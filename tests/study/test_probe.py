"""The probe over all of a step's tokens, on tokens made by hand."""

from dataclasses import replace

import numpy as np
import torch
from planted import planted

from reflectgen.config import RetrofitConfig
from reflectgen.metrics import auc
from reflectgen.study.probe import Known, StepProbe, grade, train
from reflectgen.study.token_states import TokenStates
from reflectgen.train.calibration import trace_scores
from reflectgen.train.features import StepFeatures

WIDTH = 4


def tokens(features: StepFeatures, seed: int = 0) -> TokenStates:
    """Two or three tokens a step; in a right trace one of them, not the last, has a state that stands out."""
    rng = np.random.default_rng(seed)
    lengths = 2 + np.arange(len(features.trace)) % 2
    starts = np.cumsum([0, *lengths])
    states = rng.normal(size=(starts[-1], WIDTH))
    states[starts[:-1], 0] += 6 * features.correct[features.trace]
    return TokenStates(
        states=torch.from_numpy(states).half(),
        logprob=torch.from_numpy(rng.normal(size=starts[-1])).float(),
        starts=starts,
        confidence=torch.zeros(len(lengths)),
    )


def test_steps_are_padded_at_their_end() -> None:
    known = TokenStates(
        states=torch.tensor([[1.0], [2.0], [3.0]]).half(),
        logprob=torch.tensor([-1.0, -2.0, -3.0]),
        starts=np.array([0, 1, 3]),
        confidence=torch.tensor([7.0, 8.0]),
    )
    inputs, real = known.of_steps([0, 1])
    assert real.tolist() == [[True, False], [True, True]]
    assert inputs[1].tolist() == [[2.0, -2.0, 8.0], [3.0, -3.0, 8.0]]
    assert inputs[0, 0].tolist() == [1.0, -1.0, 7.0]


def test_padding_changes_no_logit() -> None:
    features = planted(2)
    known = tokens(features)
    torch.manual_seed(0)
    probe = StepProbe(torch.zeros(WIDTH + 2), torch.ones(WIDTH + 2)).eval()
    alone = torch.cat([probe(*known.of_steps([step])) for step in range(len(features.trace))])
    assert torch.allclose(torch.from_numpy(grade(probe, known)).float(), alone, atol=1e-6)


def test_what_one_token_tells_is_found() -> None:
    parts = [planted(count, seed=seed) for seed, count in enumerate((16, 8, 8))]
    learnt, held_out, test = (Known(part, tokens(part, seed)) for seed, part in enumerate(parts))
    config = RetrofitConfig(loss="bce", batch=4, learning_rate=0.005)
    probe = train(learnt, held_out, config)
    scores = trace_scores(grade(probe, test.tokens), test.features.steps, "geometric")
    assert auc(test.features.correct, scores) > 0.95
    again = train(learnt, held_out, config)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in probe.state_dict().items())


def test_confidence_that_does_not_vary_does_no_harm() -> None:
    features = planted(4)
    known = Known(features, replace(tokens(features), confidence=torch.ones(len(features.trace))))
    assert np.isfinite(grade(train(known, known, RetrofitConfig(loss="bce")), known.tokens)).all()
