import type { Locator, Page } from 'playwright-core';

/** The pages of the Temporal UI as an operator uses them, so that a test reads as what a person does. */
export class TemporalPages {
  private readonly page: Page;
  private readonly url: string;

  constructor(page: Page, url: string) {
    this.page = page;
    this.url = url;
  }

  async openList(): Promise<void> {
    await this.page.goto(`${this.url}/namespaces/default/workflows`);
    await this.listed().first().waitFor();
  }

  /** The filter as a person types it, behind the `</>` button of the list. */
  async filter(query: string): Promise<void> {
    await this.page.getByTestId('toggle-manual-query').click();
    await this.page.getByTestId('manual-search-input').fill(query);
    await this.page.keyboard.press('Enter');
  }

  /** The workflows in the list, each by its id. */
  listed(): Locator {
    return this.page.locator('tr a[href*="/workflows/"]').filter({ hasText: /^\s*rollout:/ });
  }

  async openTab(name: 'History' | 'User Metadata'): Promise<void> {
    await this.page.getByRole('tab', { name }).or(this.page.getByRole('link', { name })).first().click();
  }

  /** What the UI renders under a heading of the metadata tab, as plain text. */
  rendered(heading: 'Summary' | 'Details' | 'Current Details'): Locator {
    return this.page
      .locator(`xpath=//h3[normalize-space()="${heading}"]/following::iframe[1]`)
      .contentFrame()
      .locator('main');
  }

  /** As by pressing R: asks the worker for the details of this moment. */
  async refresh(): Promise<void> {
    await this.page.keyboard.press('r');
  }

  /** The dialog behind More Actions, Send a Signal, with the list of signals unfolded. */
  async openSignalDialog(): Promise<Locator> {
    await this.page.getByRole('button', { name: 'More Actions' }).click();
    await this.page.getByRole('menuitem', { name: 'Send a Signal' }).click();
    const dialog = this.page.locator('dialog[open]');
    await dialog.getByTestId('signal-select-button').click();
    return dialog;
  }

  /** Sends what is chosen in the dialog, and waits until the UI says that it was sent. */
  async submit(dialog: Locator): Promise<void> {
    await dialog.getByTestId('confirm-modal-button').click();
    await dialog.waitFor({ state: 'hidden' });
  }
}
