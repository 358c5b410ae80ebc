"""Windows of a network one by one, in plain loops: which there are, what is in them, and which of them train."""

import math


def carried(column):
    """The column with gaps filled by the last value, None before the first."""
    filled, last = [], None
    for value in column:
        last = last if math.isnan(value) else value
        filled.append(last)
    return filled


def windows(column, context, horizon, target, first=0):
    """(decided row, inputs, targets) of every usable window of one series from row ``first`` on."""
    column = list(column)[first:]
    values = carried(column)
    found = []
    for decided in range(context - 1, len(column) - horizon):
        past, ahead = range(decided - context + 1, decided + 1), range(decided + 1, decided + horizon + 1)
        if values[past[0]] is None:
            continue
        if sum(not math.isnan(column[i]) for i in past) < 0.8 * context:
            continue
        if sum(not math.isnan(column[i]) for i in ahead) < 0.8 * horizon:
            continue
        last = values[decided]
        if target == "level":
            inputs, targets = [values[i] for i in past], [values[i] for i in ahead]
        elif target == "last_value":
            inputs, targets = [values[i] - last for i in past], [values[i] - last for i in ahead]
        else:
            inputs = [math.log(values[i] / values[i - 1]) for i in list(past)[1:]]
            targets = [math.log(values[i] / last) for i in ahead]
        found.append((first + decided, inputs, targets))
    return found


def split(decisions, horizon, share):
    """Decisions that train and that validate."""
    rows = sorted(set(decisions))
    start = rows[math.floor(len(rows) * (1.0 - share))]
    return [d for d in decisions if d + horizon <= start], [d for d in decisions if d >= start]
