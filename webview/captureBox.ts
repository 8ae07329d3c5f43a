// What is captured, and while the trace runs the box to change the packet filter in: nothing is attached anew for that.
import { createButton, createLineField } from './controls.ts';
import { el, setText } from './dom.ts';

/** The packet filter in force, and a field to change it in while the trace runs. */
export class CaptureBox {
  readonly element = el('span', { class: 'capture-box' });
  private readonly shown = el('code', { class: 'capture' });
  private readonly problem = el('span', { class: 'capture-problem', attributes: { role: 'alert' } });
  private readonly change = createButton({
    icon: 'edit',
    title: 'Change the packet filter of the running trace',
    onClick: () => this.edit(),
  });
  private readonly field = createLineField({
    label: 'Packet filter as in tcpdump',
    placeholder: 'every packet',
    onSubmit: () => void this.apply(),
    onCancel: () => this.close(),
    onInput: () => this.say(''),
  });
  private readonly accept = createButton({
    icon: 'check',
    title: 'Capture by this filter from now on (Enter)',
    onClick: () => void this.apply(),
  });
  private readonly cancel = createButton({
    icon: 'clear',
    title: 'Keep the filter as it is (Esc)',
    onClick: () => this.close(),
  });
  private expression = '';
  private running = false;
  private editing = false;
  private busy = false;

  /** @param capture resolves with why the filter was refused, empty when it is in force */
  constructor(private readonly capture: (expression: string) => Promise<string>) {
    this.element.append(
      this.shown,
      this.change.element,
      this.field.element,
      this.accept.element,
      this.cancel.element,
      this.problem,
    );
    this.arrange();
  }

  /** @param filter what is captured, in words; `expression` the part of it that can be changed while `running` */
  update(filter: string, expression: string, running: boolean): void {
    const text = filter === '' ? 'every packet' : filter;
    setText(this.shown, text);
    this.shown.title = `Captured: ${text}`;
    this.expression = expression;
    if (running === this.running) return;
    this.running = running;
    if (!running) this.editing = false;
    this.arrange();
  }

  private edit(): void {
    this.editing = true;
    this.field.value = this.expression;
    this.say('');
    this.arrange();
    this.field.focus();
  }

  private close(): void {
    this.editing = false;
    this.say('');
    this.arrange();
    this.change.focus();
  }

  private async apply(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.accept.setEnabled(false);
    let problem: string;
    try {
      problem = await this.capture(this.field.value.trim());
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    this.busy = false;
    this.accept.setEnabled(true);
    if (!this.editing) return;
    if (problem === '') this.close();
    else this.say(problem);
  }

  private say(problem: string): void {
    setText(this.problem, problem);
    this.problem.hidden = problem === '';
    this.field.setInvalid(problem !== '');
  }

  private arrange(): void {
    const { editing } = this;
    this.shown.hidden = editing;
    this.change.setVisible(this.running && !editing);
    this.field.element.hidden = !editing;
    this.accept.setVisible(editing);
    this.cancel.setVisible(editing);
    this.problem.hidden = !editing || this.problem.textContent === '';
  }
}
