"""The course of a sepsis patient over one step: equal sub-steps of circulation, fluid, infection, organs and hazard."""

from __future__ import annotations

import torch
from torch import Tensor

from .sepsis_dynamics import circulation, heart, norepinephrine_effect
from .sepsis_exchange import exchange, infect, kidney_function, volumes
from .sepsis_memory import Body, SepsisMemory
from .sepsis_organs import Scratch, damage, hazards, organs, strain


@torch.inference_mode()  # nothing here is learned, and without gradients an operation starts sooner
def course(
    m: SepsisMemory, context: Tensor, dose: tuple[Tensor, Tensor], times: tuple[Tensor, Tensor, int]
) -> SepsisMemory:
    """The patient after a step from context (B, 4).

    `dose`: fluid mL/h and norepinephrine ug/kg/min, each (B,); `times`: hours since admission and of the step, each
    (B,), and the number of sub-steps.
    """
    (fluid, norepinephrine), (start, hours, substeps) = dose, times
    dt, weight = hours / substeps, context[:, 1].contiguous()
    drug = norepinephrine_effect(m, weight, norepinephrine)
    h, e, o = heart(m, drug, weight), exchange(m, context, fluid, start, (dt, substeps)), organs(m, drug, context, dt)
    b, scratch = m.body(), Scratch.of(dt)
    hazard, kidneys, pressure = dt.new_zeros(2, len(dt)), torch.zeros_like(dt), torch.zeros_like(dt)
    for growth in e.growth.unbind(0):
        flow = circulation(b, h)
        kidney = kidney_function(b, e, flow)
        plasma, tissue = volumes(b, e, kidney)
        infection, vasodilation = infect(b, e, growth)
        strains = strain(plasma, tissue, o, flow, scratch)
        b = Body(infection, vasodilation, flow.reflex, plasma, tissue, *damage(b, infection, o, kidney, strains))
        hazard += hazards(b, o, flow, scratch)
        kidneys += kidney
        pressure += flow.pressure
    drained = (m.plasma - b.plasma).add_(m.tissue - b.tissue).add_(e.inflow, alpha=substeps)  # the balance of fluid
    urine = (drained / hours.clamp_min(1e-6) / weight).clamp_min(0) + 0.5 * kidneys / substeps
    m = m._replace(**b._asdict(), pressure=flow.pressure, heart_rate=flow.heart_rate, cardiac_output=flow.output)
    return m._replace(mean_pressure=pressure / substeps, urine=urine, risk=-torch.expm1(-hazard.sum(0) * dt))
