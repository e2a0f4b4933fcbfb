import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { importanceHeader } from '#libs/contracts';
import { type ShedClass, shedOrder } from '#libs/degradation';
import { ProblemError } from '#libs/runtime';
import { shareParts } from './share.tokens.ts';
import type { ShareAdmission } from './share-admission.ts';

interface AskedRequest {
  readonly url: string;
  readonly headers: { readonly [importanceHeader]?: string | undefined };
}

/** Refuses what this process has stepped back from, by the importance and the priority that the gateway gave the request. */
@Injectable()
export class AdmissionGuard implements CanActivate {
  constructor(@Inject(shareParts) private readonly parts: { readonly admission: ShareAdmission }) {}

  canActivate(context: ExecutionContext): boolean {
    const { url, headers } = context.switchToHttp().getRequest<AskedRequest>();
    const { importance, priority } = inheritedFrom(headers[importanceHeader], url);
    if (!this.parts.admission.admits(importance, priority)) throw new ProblemError('overloaded');
    return true;
  }
}

/** Without the header (a gateway of an older version, an operator's curl): by the path, and with no luck to keep. */
export function inheritedFrom(
  header: string | undefined,
  url: string,
): { readonly importance: ShedClass; readonly priority: number } {
  const [name = '', number = ''] = (header ?? '').split(' ');
  const known = shedOrder.find((one) => one === name);
  const priority = Number(number);
  if (known !== undefined && number !== '' && priority >= 0 && priority < 1)
    return { importance: known as ShedClass, priority };
  const byPath = url.endsWith('/grab') ? 'grab' : url.includes('/shares/') ? 'reads' : 'extras';
  return { importance: byPath, priority: Math.random() };
}
