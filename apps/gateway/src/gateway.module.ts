import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common';
import type { GatewayConfig } from '#libs/contracts';
import { healthModule } from '#libs/runtime';
import { EventsController } from './events/events.controller.ts';
import { EventsService } from './events/events.service.ts';
import { endpointsOf } from './events/public-address.ts';
import { FeedStreams } from './forward/feed-streams.ts';
import { ForwardController } from './forward/forward.controller.ts';
import { ShareForwarder } from './forward/share-forwarder.ts';
import type { GatewayParts } from './gateway-parts.ts';
import { PacketsController } from './packets/packets.controller.ts';
import { PacketsService } from './packets/packets.service.ts';
import { PlayController, playPageToken, type ServedPage } from './play/play.controller.ts';
import { readPlayPage } from './play/play-page.ts';
import { GatewayLifecycle } from './process/gateway-lifecycle.ts';
import { GuestSessionsService } from './sessions/guest-sessions.service.ts';
import { SessionVerifier } from './sessions/session-verifier.ts';
import { SessionsController } from './sessions/sessions.controller.ts';
import { ShareController } from './share/share.controller.ts';
import { ShareTokensService } from './share/share-tokens.service.ts';

@Module({})
class PartsModule {}

@Module({})
class GatewayModule {}

const everywhere: Type[] = [SessionsController, EventsController, PlayController];
const moneyControllers: Type[] = [PacketsController, ShareController, ForwardController];

/** What each role serves; shakes and opens, which stand in front of the router, are started by the lifecycle. */
export const controllersByRole: Readonly<Record<GatewayConfig['GATEWAY_ROLE'], readonly Type[]>> = {
  all: [...everywhere, ...moneyControllers],
  shake: everywhere,
  money: [...everywhere, ...moneyControllers],
};

/** The routes of a gateway over its parts. */
export function gatewayModule(parts: GatewayParts): DynamicModule {
  const { config } = parts;
  const providers: Provider[] = [
    { provide: GatewayLifecycle, useValue: new GatewayLifecycle(parts) },
    { provide: SessionVerifier, useValue: parts.sessions },
    { provide: GuestSessionsService, useValue: parts.guests },
    { provide: EventsService, useValue: parts.events },
    { provide: PacketsService, useValue: parts.packets },
    { provide: ShareTokensService, useValue: parts.shareTokens },
    { provide: ShareForwarder, useValue: parts.forwarder },
    { provide: FeedStreams, useValue: parts.feeds },
    { provide: playPageToken, useFactory: () => servedPageOf(config) },
  ];
  const partsModule: DynamicModule = {
    module: PartsModule,
    providers,
    exports: providers.map((provider) => (provider as { provide: symbol | Type }).provide),
  };
  const health = healthModule({
    imports: [partsModule],
    inject: [GatewayLifecycle],
    checks: (lifecycle: GatewayLifecycle) => lifecycle.readiness(),
  });
  return {
    module: GatewayModule,
    imports: [partsModule, health],
    controllers: [...controllersByRole[config.GATEWAY_ROLE]],
  };
}

function servedPageOf(config: GatewayConfig): ServedPage {
  return { current: readPlayPage(), endpointsFor: (request) => endpointsOf(config, request) };
}
