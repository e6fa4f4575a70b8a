import { Controller, Inject } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { ElkMqClient, elkMqExtras } from 'nestjs-elkmq';

@Controller()
export class OrdersController {
  constructor(@Inject('MAILS') private readonly mails: ElkMqClient) {}

  @MessagePattern('order.total')
  total(@Payload() prices: number[]): number {
    return prices.reduce((sum, price) => sum + price, 0);
  }

  @EventPattern('order.placed', elkMqExtras({ retry: { attempts: 2 } }))
  placed(@Payload() order: { id: number }): void {
    this.mails.emit('mail.confirmation', order);
  }
}
