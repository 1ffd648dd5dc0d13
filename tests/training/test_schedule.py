import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_micro_batches import trainer_of
from transformers.optimization import _get_linear_schedule_with_warmup_lr_lambda as stock

from eventtag.training.loop.schedule import rise_and_fall


@given(steps=st.integers(1, 300), warmup=st.integers(0, 300))
def test_the_schedule_falls_as_transformers_does_and_rises_one_step_sooner(steps, warmup):
    warmup = min(warmup, steps - 1)
    rates = [rise_and_fall(step, steps=steps, warmup=warmup) for step in range(steps)]
    theirs = [stock(step, num_warmup_steps=warmup, num_training_steps=steps) for step in range(steps + 1)]
    assert rates[warmup:] == pytest.approx(theirs[warmup:-1])
    assert rates[:warmup] == pytest.approx(theirs[1 : warmup + 1])
    assert min(rates) > 0


def test_what_starts_later_rises_later():
    rates = [rise_and_fall(step, steps=10, warmup=2, start=4) for step in range(11)]
    assert rates == pytest.approx([0, 0, 0, 0, 0.5, 1, 1, 0.75, 0.5, 0.25, 0])


@pytest.mark.parametrize("extra", [{}, {"lr_scheduler_type": "cosine"}])
def test_a_run_rises_from_its_first_update_unless_another_schedule_is_asked_for(corpus_file, tmp_path, extra):
    trainer = trainer_of(corpus_file, tmp_path, warmup=0.2, extra=extra)
    trainer.create_optimizer_and_scheduler(10)
    rates = []
    for _ in range(10):
        rates.append(trainer.lr_scheduler.get_last_lr()[0] / 5e-3)
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
    if extra:
        assert rates[:4] == pytest.approx([0, 0.5, 1, 0.962], abs=1e-3)
    else:
        assert rates == pytest.approx([0.5, 1, 1, *(k / 8 for k in range(7, 0, -1))])
