"""The section of the report in which a person marks spans; the page saves them as a file."""

from __future__ import annotations

from html import escape

from mien.core.results import Person
from mien.core.tasks import Task


def annotation_section(people: tuple[Person, ...], task: Task) -> str:
    """The form for spans, labels and notes, which annotate.js fills and saves.

    Args:
        people: Everybody in the recording.
        task: Label space, whose classes are offered as labels.

    Returns:
        HTML.
    """
    choices = "".join(f'<option value="{who.id}">Person {who.id}</option>' for who in people)
    labels = "".join(f'<option value="{escape(name)}"></option>' for name in task.classes)
    return f"""<section aria-labelledby="annotate" class="screen"><h2 id="annotate">Annotate</h2>
<div class="panel">
<p class="hint">Mark what you see, or correct a label. Zoom a chart and take its span, or write the times. The spans
stay in this page until you save them. <code>mien analyze --segments</code> and <code>mien agree</code> read both files.
ELAN opens the .eaf file; the CSV is also the manifest of a folder to train on.</p>
<form id="span" class="fields">
<label>Annotator <input name="annotator" autocomplete="off" maxlength="60"></label>
<label>Person <select name="face"><option value="">everybody</option>{choices}</select></label>
<label>Start, s <input name="start" inputmode="decimal" size="7" required></label>
<label>End, s <input name="end" inputmode="decimal" size="7" required></label>
<label>Label <input name="label" list="labels" maxlength="60" required></label><datalist id="labels">{labels}</datalist>
<label>Note <input name="note" maxlength="300"></label>
<span class="buttons"><button type="button" id="take">Take the zoomed span</button>
<button type="submit">Add</button></span>
</form>
<p id="spanstatus" role="status" class="hint"></p>
<div class="scroll"><table id="spans" hidden><caption class="hint">Your annotations</caption><thead><tr>
<th scope="col">start</th><th scope="col">end</th><th scope="col">label</th><th scope="col">person</th>
<th scope="col">note</th><th scope="col">annotator</th><th scope="col"><span class="unseen">remove</span></th>
</tr></thead><tbody></tbody></table></div>
<p class="buttons"><button type="button" id="savecsv" disabled>Save as CSV</button>
<button type="button" id="saveelan" disabled>Save for ELAN</button>
<label class="button" for="openspans">Open a saved CSV</label>
<input id="openspans" type="file" accept=".csv" class="unseen"></p>
</div></section>"""
