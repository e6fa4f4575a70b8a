import { Inject, Injectable } from '@nestjs/common';
import { ElkMqClient } from 'nestjs-elkmq';
import { firstValueFrom } from 'rxjs';

@Injectable()
export class AppService {
  constructor(@Inject('APP') private readonly client: ElkMqClient) {}

  ask(name: string): Promise<string> {
    return firstValueFrom(this.client.send<string, string>('hello', name));
  }
}
