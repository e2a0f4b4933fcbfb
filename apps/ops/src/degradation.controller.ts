import { Body, Controller, Get, Inject, Param, Put, UseGuards } from '@nestjs/common';
import { type DegradationView, putFeatureRequestSchema, putTierRequestSchema } from '#libs/contracts';
import { degradationView, isFeatureKey, withFeature, withTier } from '#libs/degradation';
import type { Tier } from '#libs/domain';
import { ProblemError, validate } from '#libs/runtime';
import { opsParts } from './ops.tokens.ts';
import { CurrentActor, ForOperators, ForViewers, OpsAuthGuard } from './ops-auth.guard.ts';
import type { OpsParts } from './ops-parts.ts';
import type { Actor } from './ops-tokens.ts';

@Controller('ops/v1/degradation')
@UseGuards(OpsAuthGuard)
export class DegradationController {
  constructor(@Inject(opsParts) private readonly parts: OpsParts) {}

  @Get()
  @ForViewers()
  view(): DegradationView {
    const { degradation, tierLeader, nowMs } = this.parts;
    return degradationView(degradation.state(), nowMs(), tierLeader.watch());
  }

  @Put('tier')
  @ForOperators()
  async putTier(@CurrentActor() actor: Actor, @Body() body: unknown): Promise<DegradationView> {
    const { mode, tier, until, reason } = validate(putTierRequestSchema, body);
    const asked = { mode, tier: tier as Tier | undefined, untilMs: this.endOf(until) };
    const act = { actor, action: 'degradation.tier', target: 'degradation', reason, detail: { mode, tier, until } };
    await this.parts.degradation.change(act, (state, nowMs) => withTier(state, asked, nowMs));
    return this.view();
  }

  @Put('features/:key')
  @ForOperators()
  async putFeature(
    @CurrentActor() actor: Actor,
    @Param('key') key: string,
    @Body() body: unknown,
  ): Promise<DegradationView> {
    if (!isFeatureKey(key)) throw new ProblemError('feature_unknown');
    const { state: position, until, reason } = validate(putFeatureRequestSchema, body);
    const asked = { state: position, untilMs: this.endOf(until) };
    const detail = { state: position, until };
    const act = { actor, action: 'degradation.feature', target: `feature:${key}`, reason, detail };
    await this.parts.degradation.change(act, (state, nowMs) => withFeature(state, key, asked, nowMs));
    return this.view();
  }

  /** An end that is past would be no change at all, and is a slip. */
  private endOf(until: string | undefined): number | undefined {
    if (until === undefined) return undefined;
    const untilMs = Date.parse(until);
    if (untilMs <= this.parts.nowMs()) throw new ProblemError('bad_request', 'until: has passed already');
    return untilMs;
  }
}
