import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { bundleScenario, scenarioNames } from './bundle.ts';

it('there is a scenario for each name the documentation uses', async () => {
  expect(await scenarioNames()).toEqual(['countdown', 'tiers']);
});

it.each(['countdown', 'tiers'])(
  '%s bundles into one script that needs k6 alone and has a setup, a teardown and thresholds',
  async (name) => {
    const code = await readFile(await bundleScenario(name), 'utf8');
    const imports = [...code.matchAll(/^import .* from "([^"]+)"/gm)].map(([, module]) => module);
    expect(imports.length).toBeGreaterThan(0);
    expect(imports.filter((module) => !module?.startsWith('k6'))).toEqual([]);
    for (const exported of ['setup', 'teardown', 'options', 'phone']) {
      expect(code).toMatch(new RegExp(`^  ${exported}`, 'm'));
    }
    expect(code).toContain('hongbao_proofs{balanced:yes}');
  },
);
